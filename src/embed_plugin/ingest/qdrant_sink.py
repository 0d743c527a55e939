"""Chunks and vectors into a Qdrant collection, and the nearest ones out of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

from qdrant_client import models

from embed_plugin.errors import SpaceMismatchError
from embed_plugin.ingest.qdrant_target import MEMORY, open_client, own_warnings_only, translated
from embed_plugin.ingest.records import point_id
from embed_plugin.ingest.sink import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from qdrant_client import QdrantClient

    from embed_plugin.contracts import TextEncoder, Vectors
    from embed_plugin.ingest.records import JSON, Chunk, Rejected

_METADATA_KEY = "embed_plugin"
_SCHEMA = 1
_UPSERT_POINTS = 256  # embedded Qdrant takes as long per point with 64 as with 1,024; a request stays below 2 MB
_LOOKUP_POINTS = 1024
_EMBEDDED_POINTS = 20_000  # above, qdrant-client itself advises against its embedded form
# The vectors are unit vectors, so the dot product would rank the same; LangChain's and LlamaIndex's Qdrant
# stores expect Cosine unless told otherwise.
_DISTANCE = models.Distance.COSINE


class QdrantSink:
    """One collection of a Qdrant server or of an embedded one; usable in a ``with`` statement.

    Args:
        client: See :func:`open_client`; closed with the sink.
        collection: The collection's name.
        target: What messages call the place; by default the client's URL or folder.

    Every method raises TargetError where Qdrant cannot be reached or refuses.
    """

    def __init__(self, client: QdrantClient, collection: str, *, target: str = "") -> None:
        options = client.init_options
        self.collection = collection
        self.target = target or str(options["url"] or options["path"] or options["location"])
        self._client = client
        self._embedded = options["path"] is not None or options["location"] == MEMORY
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the server, or of the folder so that another process may open it."""
        self._client.close()

    def check(self, encoder: TextEncoder) -> bool:
        """Whether the collection exists; if so, that it holds this encoder's vectors.

        Raises:
            SpaceMismatchError: it holds others: of another fingerprint, dimension, distance or origin.
        """
        config = self._config()
        if config is None:
            return False
        self._check_vectors(config.params.vectors, encoder)
        ours = _ours(config)
        if ours is None:
            if self.count():
                raise self._mismatch("points of unknown origin", "one that embed-plugin made, or an empty one")
        elif ours.get("schema") != _SCHEMA:
            raise self._mismatch(f"schema {ours.get('schema')} of embed-plugin's payload", f"schema {_SCHEMA}")
        elif ours.get("fingerprint") != encoder.fingerprint:
            found, expected = ours.get("fingerprint"), encoder.fingerprint
            raise self._mismatch(f"vectors of the space {found}", f"the model's space {expected}")
        return True

    def prepare(self, encoder: TextEncoder) -> None:
        """Create the collection for this encoder's vectors, or check that it is one for them.

        Raises:
            SpaceMismatchError: see :meth:`check`.
        """
        identity = {"fingerprint": encoder.fingerprint, "dimension": encoder.dimension, "schema": _SCHEMA}
        metadata = {_METADATA_KEY: identity}
        if not self.check(encoder):
            vectors = models.VectorParams(size=encoder.dimension, distance=_DISTANCE)
            with translated(self.target):
                self._client.create_collection(self.collection, vectors_config=vectors, metadata=metadata)
        elif _ours(self._config()) is None:
            with translated(self.target):
                self._client.update_collection(self.collection, metadata=metadata)

    def lookup(self, ids: Sequence[str]) -> dict[str, Stored]:
        """What the points with these ids were made from, by id; ids that are not stored are left out."""
        wanted = list(Stored._fields)
        stored: dict[str, Stored] = {}
        for start in range(0, len(ids), _LOOKUP_POINTS):
            some = ids[start : start + _LOOKUP_POINTS]
            with translated(self.target):
                points = self._client.retrieve(self.collection, some, with_payload=wanted, with_vectors=False)
            for point in points:
                payload = point.payload or {}
                text, record, metadata = (str(payload.get(name)) for name in Stored._fields[:-1])
                stored[str(point.id)] = Stored(text, record, metadata, int(payload.get("chunk_count") or 0))
        return stored

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> list[Rejected]:
        """Store chunks with their vectors, ``(len(chunks), dimension)``; on return they are safe."""
        for start in range(0, len(chunks), _UPSERT_POINTS):
            some = chunks[start : start + _UPSERT_POINTS]
            batch = models.Batch(
                ids=[self.id_of(chunk.source_id, chunk.index) for chunk in some],
                vectors=vectors[start : start + _UPSERT_POINTS].tolist(),
                payloads=[chunk.payload() for chunk in some],
            )
            with translated(self.target), own_warnings_only():
                self._client.upsert(self.collection, batch, wait=True)
        self._warn_of_size()
        return []

    def set_metadata(self, chunks: Sequence[Chunk]) -> None:
        """Replace what may change while the text stays: metadata and the number of chunks."""
        for start in range(0, len(chunks), _UPSERT_POINTS):
            operations = [
                models.SetPayloadOperation(
                    set_payload=models.SetPayload(
                        payload=chunk.changeable_payload(), points=[self.id_of(chunk.source_id, chunk.index)]
                    )
                )
                for chunk in chunks[start : start + _UPSERT_POINTS]
            ]
            with translated(self.target):
                self._client.batch_update_points(self.collection, operations, wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the points with these ids, as far as they are there."""
        if ids:
            with translated(self.target):
                self._client.delete(self.collection, models.PointIdsList(points=list(ids)), wait=True)

    def search(self, vector: npt.NDArray[np.float32], *, limit: int) -> list[tuple[float, Mapping[str, Any]]]:
        """Score and payload of the nearest points, nearest first."""
        with translated(self.target):
            found = self._client.query_points(self.collection, query=vector.tolist(), limit=limit, with_payload=True)
        return [(point.score, point.payload or {}) for point in found.points]

    def count(self) -> int:
        """Number of points in the collection."""
        with translated(self.target):
            return self._client.count(self.collection, exact=True).count

    def collections(self) -> list[str]:
        """Names of the collections there."""
        with translated(self.target):
            return sorted(found.name for found in self._client.get_collections().collections)

    def id_of(self, source_id: str, index: int) -> str:
        """The id of a chunk's point in this collection."""
        return point_id(self.collection, source_id, index)

    def _config(self) -> models.CollectionConfig | None:
        with translated(self.target):
            if not self._client.collection_exists(self.collection):
                return None
            return self._client.get_collection(self.collection).config

    def _check_vectors(self, vectors: object, encoder: TextEncoder) -> None:
        if not isinstance(vectors, models.VectorParams):
            raise self._mismatch("named or sparse vectors", "one unnamed vector per point")
        if vectors.size != encoder.dimension:
            raise self._mismatch(f"vectors of dimension {vectors.size}", f"the model's {encoder.dimension}")
        if vectors.distance != _DISTANCE:
            raise self._mismatch(f"the distance {vectors.distance.value}", _DISTANCE.value)

    def _mismatch(self, found: str, expected: str) -> SpaceMismatchError:
        return SpaceMismatchError(
            f"collection {self.collection!r} in {self.target} has {found}, expected {expected}. "
            "Use the model that made it, or name another collection"
        )

    def _warn_of_size(self) -> None:
        if self._embedded and not self._warned and (points := self.count()) > _EMBEDDED_POINTS:
            self._warned = True
            message = (
                f"{self.target} now holds {points:,} points; embedded Qdrant compares a query with each and "
                f"is meant for {_EMBEDDED_POINTS:,}. Run a Qdrant server and ingest into http://HOST:6333"
            )
            warnings.warn(message, UserWarning, stacklevel=3)


def open_sink(target: str, collection: str, *, api_key: str | None = None, create: bool = True) -> QdrantSink:
    """Open a target and name a collection in it; arguments and errors as for :func:`open_client`."""
    return QdrantSink(open_client(target, api_key=api_key, create=create), collection, target=target)


def _ours(config: models.CollectionConfig | None) -> Mapping[str, JSON] | None:
    ours = (config.metadata or {}).get(_METADATA_KEY) if config else None
    return ours if isinstance(ours, dict) else None
