"""The points of a collection at one moment: which records they are of, and which texts have a vector already.

A mirror reads the collection once, before the first record: what it holds of records that are then not read is gone,
and a text that stands there already, such as that of a renamed file, is not embedded again. It is as right as a reading
at the end: what this run adds is of records that were read, and what it removes is only removed once more. A run that
is killed between the two has removed nothing, and the next one finds the old points again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from embed_plugin.ingest.ids import hashes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.stores.sink import Sink, StoredChunk

_ID_BYTES = 16


@dataclass(frozen=True)
class StoredPoints:
    """Points of known origin, sorted by the hash of their text; 37 bytes each.

    Attributes:
        sources: Names of their sources.
        texts: 64 bits of a hash of each text's hash, uint64 ``(n,)``, ascending.
        keys: 64 bits of a hash of each record's key, uint64 ``(n,)``.
        ids: The points' ids, uint8 ``(n, 16)``.
        source: Indexes into ``sources``, int32 ``(n,)``; -1 outside what the run reads.
        first: Whether each is chunk 0 of its record, bool ``(n,)``.
    """

    sources: Sequence[str]
    texts: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.uint64]
    ids: npt.NDArray[np.uint8]
    source: npt.NDArray[np.int32]
    first: npt.NDArray[np.bool_]

    @classmethod
    def scan(cls, sink: Sink, is_inside: Callable[[StoredChunk], bool]) -> Self:
        """Read a collection, page by page.

        Args:
            sink: The collection.
            is_inside: Whether a chunk is of what the run reads.
        """
        sources: dict[str, int] = {}
        pages = [_columns((), b"", ())]
        for page in sink.scan():
            page_ids = [_id_bytes(chunk) for chunk in page]
            known = [chunk for chunk, one in zip(page, page_ids, strict=True) if one]
            numbers = [
                sources.setdefault(chunk.source_name, len(sources)) if is_inside(chunk) else -1 for chunk in known
            ]
            pages.append(_columns(known, b"".join(page_ids), numbers))
        columns = [np.concatenate(column) for column in zip(*pages, strict=True)]
        pages.clear()
        order = np.argsort(columns[0])
        for number, column in enumerate(columns):  # one by one, so that only one is there twice
            columns[number] = column[order]
        return cls(list(sources), *columns)

    def inside(self, names: Collection[str]) -> npt.NDArray[np.bool_]:
        """Return for each point whether it is of what the run reads, and of a source with one of these names."""
        return np.isin(self.source, [number for number, name in enumerate(self.sources) if name in names])

    def ids_at(self, chosen: npt.NDArray[np.bool_]) -> list[str]:
        """The ids of some of the points."""
        return [_id(row) for row in self.ids[chosen]]

    def with_text(self, text_hashes: Sequence[str]) -> list[str]:
        """The id of one point for each of these hashes of texts that the collection has."""
        if not len(self.texts):
            return []
        hashes = hashes_of(text_hashes)
        places = np.minimum(np.searchsorted(self.texts, hashes), len(self.texts) - 1)
        return [_id(row) for row in self.ids[places[self.texts[places] == hashes]]]


def _columns(chunks: Sequence[StoredChunk], ids: bytes, numbers: Sequence[int]) -> tuple[npt.NDArray[np.generic], ...]:
    return (
        hashes_of(chunk.stored.text_hash for chunk in chunks),
        hashes_of(chunk.key for chunk in chunks),
        np.frombuffer(ids, dtype=np.uint8).reshape(-1, _ID_BYTES),
        np.array(numbers, dtype=np.int32),
        np.array([chunk.index == 0 for chunk in chunks], dtype=np.bool_),
    )


def _id_bytes(chunk: StoredChunk) -> bytes:
    """The bytes of a point's id; none if ingest did not make it: other writers may number theirs."""
    try:
        return uuid.UUID(chunk.id).bytes if chunk.source_id and not chunk.is_foreign else b""
    except ValueError:
        return b""


def _id(row: npt.NDArray[np.uint8]) -> str:
    return str(uuid.UUID(bytes=row.tobytes()))
