"""Write chunks as points: make the vectors beside the dense one, and send each point with all its vectors at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embed_plugin.ingest.records import Rejected
from embed_plugin.ingest.stores.qdrant.backend import PointBatch
from embed_plugin.ingest.stores.qdrant.representations import Refused
from embed_plugin.ingest.stores.qdrant.requests import Refusals, requests, send_or_bisect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.records import Chunk
    from embed_plugin.ingest.stores.payload_layout import PayloadLayout
    from embed_plugin.ingest.stores.qdrant.backend import Backend, OtherVector
    from embed_plugin.ingest.stores.qdrant.representations import Representations
    from embed_plugin.types import Vectors


class PointSpace(NamedTuple):
    """Where points go and what they have.

    Attributes:
        collection: The collection's name.
        layout: Of payloads.
        name: Of the dense vector.
        representations: Make the other vectors.
        id_of: The id of the point of a record's key and an index.
    """

    collection: str
    layout: PayloadLayout
    name: str
    representations: Representations
    id_of: Callable[[str, int], str]


class _Points(NamedTuple):
    """Chunks with their vectors."""

    chunks: Sequence[Chunk]
    vectors: Vectors
    others: Sequence[Mapping[str, OtherVector]] | None


class PointWriter:
    """Writes to one backend, several requests at once; may be called by several threads.

    A point goes with all its vectors in one request, so that a process that is killed leaves none with only some.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pool = ThreadPoolExecutor(backend.requests_in_flight, thread_name_prefix="upsert")
        self._refusals = Refusals()

    def close(self) -> None:
        """Wait for the requests in progress."""
        self._pool.shutdown(cancel_futures=True)

    def store(self, chunks: Sequence[Chunk], vectors: Vectors, space: PointSpace) -> list[Rejected]:
        """Store chunks with their dense vectors and the others; on return they are durable.

        Returns:
            The chunks that cannot be stored, with the reason; the others are stored.
        """
        finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(vectors).all(axis=1))
        rejected = [_not_finite(chunk) for chunk, fits in zip(chunks, finite, strict=True) if not fits]
        if rejected:
            chunks = [chunk for chunk, fits in zip(chunks, finite, strict=True) if fits]
            vectors = vectors[finite]
        parts = list(requests(chunks, dimension=vectors.shape[1]))

        def store(part: slice) -> list[Rejected]:
            return self._store(chunks[part], vectors[part], space)

        return rejected + [refused for some in self._pool.map(store, parts) for refused in some]

    def _store(self, chunks: Sequence[Chunk], vectors: Vectors, space: PointSpace) -> list[Rejected]:
        """Make the other vectors and store the points, in as many requests as token vectors need."""
        made = space.representations.of_documents([chunk.text for chunk in chunks])
        points, rejected = _with_others(chunks, vectors, made)
        send = self._refusals.counted(self._send(points, space))
        parts = requests(points.chunks, dimension=vectors.shape[1], others=points.others)
        return rejected + [refused for part in parts for refused in send_or_bisect(points.chunks, part, send)]

    def _send(self, points: _Points, space: PointSpace) -> Callable[[slice], None]:
        def send(part: slice) -> None:
            some = points.chunks[part]
            ids = [space.id_of(chunk.key, chunk.index) for chunk in some]
            payloads = [space.layout.write(chunk, one) for chunk, one in zip(some, ids, strict=True)]
            others = None if points.others is None else points.others[part]
            batch = PointBatch(ids, points.vectors[part], payloads, others, space.name)
            self._backend.upsert(space.collection, batch)

        return send


def _with_others(
    chunks: Sequence[Chunk], vectors: Vectors, made: Sequence[Mapping[str, OtherVector] | Refused] | None
) -> tuple[_Points, list[Rejected]]:
    """The points that have all their vectors, and the chunks that one of the models refused."""
    if made is None:
        return _Points(chunks, vectors, None), []
    rejected = [
        _rejected(chunk, one.reason) for chunk, one in zip(chunks, made, strict=True) if isinstance(one, Refused)
    ]
    kept = [row for row, one in enumerate(made) if not isinstance(one, Refused)]
    others = [one for one in made if not isinstance(one, Refused)]
    return _Points([chunks[row] for row in kept], vectors[np.array(kept, dtype=np.intp)], others), rejected


def _not_finite(chunk: Chunk) -> Rejected:
    return _rejected(
        chunk, "its vector has a component that is no finite number: check the model with embed-plugin info"
    )


def _rejected(chunk: Chunk, reason: str) -> Rejected:
    return Rejected(reason, "", chunk.source_id, chunk.index, source_name=chunk.source_name)
