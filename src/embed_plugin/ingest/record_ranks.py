"""Find the rank of known records in the searches of a collection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embed_plugin.ingest.fusion import fuse
from embed_plugin.ingest.ids import record_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.query import Fusion
    from embed_plugin.ingest.stores.qdrant.sink import QdrantSink
    from embed_plugin.ingest.stores.sink import Sink, StoredChunk
    from embed_plugin.protocols import TextEncoder

RECORDS = 10
"""Records at the top among which the right one is looked for."""

_CHUNKS = 100  # a hybrid search looks at as many, whatever its limit
_MOST_CHUNKS = 800

_FOREIGN = "point "


def record_of(chunk: StoredChunk) -> str:
    """A name of the chunk's record, the same in every collection that holds it; a foreign point is its own record."""
    known = chunk.source_id and not chunk.is_foreign
    return record_key(chunk.source_name, chunk.source_id) if known else f"{_FOREIGN}{chunk.id}"


def held_records(sink: Sink, records: Sequence[str]) -> set[str]:
    """Return which of the records named by :func:`record_of` a collection has; it must have been checked."""
    points = {_first_point(sink, record): record for record in records}
    return {points[chunk.id] for chunk in sink.retrieve(list(points))}


def record_chunks(sink: QdrantSink, wanted: Mapping[str, range]) -> list[StoredChunk]:
    """Return some chunks of records with their texts, in no order; those that are not stored are left out.

    Args:
        sink: The collection; it must have been checked.
        wanted: Positions of the chunks, by the name of the record as :func:`record_of` has it. Only records of ingest
            have more chunks than one.
    """
    ids = [sink.id_of(record, index) for record, indexes in wanted.items() for index in indexes]
    return sink.retrieve_texts(ids)


def _first_point(sink: Sink, record: str) -> str:
    """The id of a record's first chunk; only the key of a record holds a NUL character."""
    return sink.id_of(record, 0) if "\0" in record else record.removeprefix(_FOREIGN)


def find_ranks(
    questions: Sequence[tuple[str, str]], encoder: TextEncoder, sink: Sink, *, hybrid: bool | Fusion = False
) -> Iterator[int]:
    """Search a collection for each question, and yield the rank of its record among the records found.

    A record is found by any of its chunks, at the rank of the best one.

    Args:
        questions: Each a text, and the record it asks for as :func:`record_of` names it.
        encoder: The encoder whose vectors the collection holds.
        sink: The collection; it must have been checked.
        hybrid: Rank by the collection's other vectors too; a :class:`.Fusion` gives weights.

    Yields:
        The rank, from 1; 0 if the record is not among the first ten.
    """
    vectors = encoder.encode_queries([text for text, _ in questions])
    weights = None if isinstance(hybrid, bool) else hybrid.weights
    for vector, (text, record) in zip(vectors, questions, strict=True):
        yield _rank(record, partial(_search, sink, vector, text if hybrid else None, weights))


def _search(
    sink: Sink, vector: npt.NDArray[np.float32], text: str | None, weights: Sequence[float] | None, limit: int
) -> list[StoredChunk]:
    if weights is None:
        return [chunk for _, chunk in sink.search(vector, limit=limit, text=text)]
    rankings = sink.rankings(vector, limit=limit, text=text)
    return [one.chunk for one in fuse(rankings, limit=limit, weights=weights)]


def _rank(record: str, search: Callable[[int], list[StoredChunk]]) -> int:
    """The rank of a record; more chunks are searched for while those found are of fewer than ten records."""
    limit = _CHUNKS
    while True:
        found = search(limit)
        records = list(dict.fromkeys(map(record_of, found)))
        if record in records[:RECORDS]:
            return records.index(record) + 1
        if len(records) >= RECORDS or len(found) < limit or limit >= _MOST_CHUNKS:
            return 0
        limit *= 2
