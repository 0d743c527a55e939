"""Collections by qdrant-edge: Qdrant's own storage and index in this process, one shard per collection."""

from __future__ import annotations

import json
import os
import time
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from shutil import rmtree
from threading import RLock
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote
from uuid import uuid4

import qdrant_edge as edge

from embed_plugin.errors import RefusedContentError, TargetError
from embed_plugin.ingest.stores.collection_settings import VECTOR_SETTINGS
from embed_plugin.ingest.stores.description import Description, VectorShape
from embed_plugin.ingest.stores.qdrant.backend import (
    FUSED_AT_LEAST,
    AddedVectors,
    FoundPoint,
    NamedVectors,
    OtherVector,
    Page,
    PointBatch,
    Ranking,
    bytes_of,
    one_process_only,
    plain_ids,
    tokens_vector_name,
    wanted_vectors,
)
from embed_plugin.ingest.stores.qdrant.client.target import EDGE_MARK, edge_collection_folder
from embed_plugin.ingest.stores.qdrant.edge.collection import edge_config, payload_indexes, vector_creation
from embed_plugin.ingest.stores.qdrant.edge.disk_room import DiskRoom, taken
from embed_plugin.ingest.stores.qdrant.edge.points import (
    dense_vector,
    edge_points,
    edge_vector,
    length_of,
    other_vector,
    size_of,
)
from embed_plugin.ingest.stores.qdrant.edge.queries import query_request
from embed_plugin.ingest.stores.qdrant.edge.shard import open_shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.filter import Condition

_SHARD = "shard"
_FACTS = "collection.json"
_UNCLOSED = "unclosed"
_HALF_MADE = ".half-made"
_ABANDONED_SECONDS = 3600
_INDEXED_FROM = 10_000 << 10  # bytes of vectors; fewer are compared one by one in any case


class EdgeBackend:
    """A backend over a folder; one process at a time may have a collection open.

    Each collection is a folder of its own: one of qdrant-edge's shards, and ``collection.json`` with the facts that a
    server stores itself. An update is in the shard's write-ahead log when the method returns.

    Args:
        folder: Created with the first collection.
    """

    requests_in_flight = 1
    advised_points: int | None = None
    supported = VECTOR_SETTINGS.union(
        {
            "distance",
            "layout",
            "vectors_on_disk",
            "payload_on_disk",
            "datatype",
            "quantisation",
            "hnsw_m",
            "hnsw_ef_construct",
            "payload_indexes",
        }
    )

    def __init__(self, folder: Path) -> None:
        self.target = str(folder)
        self._folder = folder
        self._open: dict[str, edge.EdgeShard] = {}
        self._changed: set[str] = set()
        self._interrupted = False
        self._room = DiskRoom(folder)
        self._lock = RLock()

    def __reduce__(self) -> NoReturn:
        raise one_process_only(self.target)

    def interrupt(self) -> None:
        """Do not index the new points when the backend is closed, which may take minutes."""
        self._interrupted = True

    def close(self) -> None:
        """Index the new points and close the shards, so that another process may open them."""
        with self._lock, self._translated():
            for name, shard in self._open.items():
                if name in self._changed:
                    if not self._interrupted and self._has_room_to_index(name):
                        shard.optimize()
                    shard.flush()
                    self._room.reserve(self._path(name) / _SHARD)
                shard.close()
                if name in self._changed:
                    (self._path(name) / _UNCLOSED).unlink(missing_ok=True)
            self._open.clear()
            self._changed.clear()

    def resolve(self, name: str) -> str:
        """The name itself: there are no aliases."""
        return name

    def aliases(self) -> NoReturn:
        """Raise TargetError: there are no aliases."""
        raise TargetError(
            f"{self.target} has no aliases. Leave --alias out, or take a Qdrant server (http://HOST:6333)"
        )

    def point_alias(self, alias: str, collection: str) -> None:
        """Raise TargetError: there are no aliases."""
        del alias, collection
        self.aliases()

    def describe(self, collection: str) -> Description | None:
        """The description of a collection; None if it does not exist."""
        try:
            facts = json.loads((self._path(collection) / _FACTS).read_text(encoding="utf-8"))
            vectors = {name: VectorShape(*shape) for name, shape in facts["vectors"].items()}
            return Description(vectors, facts["metadata"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"{self._path(collection) / _FACTS} cannot be read ({error}). Restore it, or take a new folder"
            raise TargetError(message) from error

    def create(self, collection: str, identity: CollectionIdentity, settings: CollectionSettings) -> None:
        """Create a collection with its indexes and its identity; an interrupted call leaves no collection behind.

        One that another process makes meanwhile stays, and this one's is dropped.
        """
        path = self._path(collection)
        half_made = path.with_name(f"{path.name}.{uuid4().hex}{_HALF_MADE}")
        with self._lock, self._translated():
            self._room.require_for_new()
            half_made.mkdir(parents=True)
            self._remove_abandoned()
            try:
                self._make(half_made, identity, settings)
                self._room.reserve(half_made / _SHARD)
                half_made.rename(path)
            except OSError:
                if not path.exists():
                    raise
            finally:
                rmtree(half_made, ignore_errors=True)

    def _make(self, folder: Path, identity: CollectionIdentity, settings: CollectionSettings) -> None:
        _write(self._folder / EDGE_MARK, {"engine": "qdrant-edge"})
        shard = edge.EdgeShard.create(str(folder / _SHARD), edge_config(identity, settings))
        for key, schema in payload_indexes(settings).items():
            shard.update(edge.UpdateOperation.create_field_index(key, schema))
        shard.close()
        vectors = {"": VectorShape(identity.dimension, settings.distance or "cosine")}
        if identity.late_dimension is not None:
            vectors[tokens_vector_name(identity)] = VectorShape(identity.late_dimension, "dot", several=True)
        _write(folder / _FACTS, {"vectors": vectors, "metadata": identity.metadata()})

    def _remove_abandoned(self) -> None:
        """Remove the half-made collections of processes that were killed."""
        for folder in self._folder.glob(f"*{_HALF_MADE}"):
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    rmtree(folder, ignore_errors=True)

    def update(self, collection: str, identity: CollectionIdentity, *, indexing_threshold: int | None = None) -> None:
        """Replace the identity; there is no threshold, because points are indexed when the backend is closed."""
        del indexing_threshold
        self._rewrite(collection, metadata=identity.metadata())

    def drop(self, collection: str) -> None:
        """Remove a collection with all its points."""
        with self._lock, self._translated():
            # Open it first: this fails if another process has the collection open.
            self._shard(collection).close()
            del self._open[collection]
            self._changed.discard(collection)
            rmtree(self._path(collection))

    def retrieve(
        self, collection: str, ids: Sequence[str], keys: Sequence[str], *, vector: str | None = None
    ) -> list[FoundPoint]:
        """The points with these ids, with these keys of their payloads; missing points are left out."""
        vectors = wanted_vectors(vector)
        with self._lock, self._translated():
            found = self._shard(collection).retrieve(plain_ids(ids), with_payload=list(keys), with_vector=vectors)
        return [FoundPoint(str(point.id), point.payload or {}, dense_vector(point.vector, vector)) for point in found]

    def other_vectors(self, collection: str, ids: Sequence[str], name: str) -> dict[str, OtherVector]:
        """The vectors of a name beside the dense one, by id; points without one are left out."""
        with self._lock, self._translated():
            points = self._shard(collection).retrieve(plain_ids(ids), with_payload=False, with_vector=[name])
        found = {str(point.id): other_vector(point.vector, name) for point in points}
        return {one: vector for one, vector in found.items() if vector is not None}

    def upsert(self, collection: str, points: PointBatch) -> None:
        """Store points; on return they are in the write-ahead log."""
        try:
            made = edge_points(points)
        except (ValueError, TypeError, OverflowError) as error:
            raise RefusedContentError(f"{self.target} refused: {error}") from error
        self._update(collection, edge.UpdateOperation.upsert_points(made), size=lambda: size_of(points))
        self._reserve(collection)

    def overwrite_payloads(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the whole payload of points, by id."""
        for point_id, payload in payloads.items():
            operation = edge.UpdateOperation.overwrite_payload(plain_ids([point_id]), dict(payload))
            self._update(collection, operation, size=partial(length_of, payload))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points; missing ones are ignored."""
        self._update(collection, edge.UpdateOperation.delete_points(plain_ids(ids)))

    def scroll(self, collection: str, page: Page) -> tuple[list[FoundPoint], str | None]:
        """Return a page of the collection and the offset of the next one, None after the last."""
        lacks = None if page.without is None else edge.Filter(must_not=[edge.HasVectorCondition(page.without)])
        request = edge.ScrollRequest(
            offset=None if page.offset is None else plain_ids([page.offset])[0],
            limit=page.limit,
            filter=lacks,
            with_payload=True,
            with_vector=page.vectors,
        )
        with self._lock, self._translated():
            found, following = self._shard(collection).scroll(request)
        points = [
            FoundPoint(str(point.id), point.payload or {}, dense_vector(point.vector, page.vector)) for point in found
        ]
        return points, None if following is None else str(following)

    def query(
        self, collection: str, rankings: Sequence[Ranking], *, limit: int, among: Sequence[Condition] = ()
    ) -> list[tuple[float, FoundPoint]]:
        """Score and point of the best by one ranking, best first; several are fused by reciprocal rank."""
        request = query_request(rankings, among, limit=limit, each=self.fused_points(collection, limit))
        with self._lock, self._translated():
            found = self._shard(collection).query(request)
        return [(point.score, FoundPoint(str(point.id), point.payload or {})) for point in found]

    def scores_of(self, collection: str, ranking: Ranking, ids: Sequence[str]) -> dict[str, float]:
        """The score of each of some points in a ranking, by id; points without a vector of its name are left out."""
        if not ids:
            return {}
        query = edge.Query.Nearest(edge_vector(ranking.vector), using=ranking.name or None)
        among = edge.Filter(must=[edge.HasIdCondition(set(plain_ids(ids)))])
        exact = edge.SearchParams(exact=True)  # no index, no quantised copy
        request = edge.QueryRequest(limit=len(ids), query=query, filter=among, params=exact)
        with self._lock, self._translated():
            found = self._shard(collection).query(request)
        return {str(point.id): point.score for point in found}

    def fused_points(self, collection: str, limit: int) -> int:
        """Number of points of each ranking that are fused for so many results."""
        del collection
        return max(limit, FUSED_AT_LEAST)

    def add_vectors(self, collection: str, added: AddedVectors) -> None:
        """Add a kind of vectors to the collection; do nothing if it exists."""
        self._update(collection, vector_creation(added))
        if added.dimension is not None:
            shape = VectorShape(added.dimension, "dot" if added.several else "cosine", several=added.several)
            self._rewrite(collection, vectors={**self._vectors(collection), added.name: shape})

    def drop_vector_name(self, collection: str, name: str) -> None:
        """Remove the vectors of a name from all points; do nothing if there are none."""
        self._update(collection, edge.UpdateOperation.delete_vector_name(name))
        left = {kept: shape for kept, shape in self._vectors(collection).items() if kept != name}
        self._rewrite(collection, vectors=left)

    def set_vectors(self, collection: str, vectors: Mapping[str, NamedVectors]) -> None:
        """Set vectors of stored points, by id and name; their payloads and other vectors stay."""
        made = [
            edge.PointVectors(point_id, {name: edge_vector(one) for name, one in named.items()})
            for point_id, named in zip(plain_ids(vectors), vectors.values(), strict=True)
        ]
        size = sum(bytes_of(one) for named in vectors.values() for one in named.values())
        self._update(collection, edge.UpdateOperation.update_vectors(made), size=lambda: size)
        self._reserve(collection)

    def count(self, collection: str, *, exact: bool = True) -> int:
        """Number of points."""
        with self._lock, self._translated():
            return self._shard(collection).count(edge.CountRequest(exact=exact))

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        return sorted(unquote(path.parent.name) for path in self._folder.glob(f"*/{_FACTS}") if _made(path.parent))

    def _update(self, collection: str, operation: edge.UpdateOperation, *, size: Callable[[], int] = lambda: 0) -> None:
        with self._lock, self._translated():
            shard = self._shard(collection)
            self._room.require(size)
            if collection not in self._changed:
                (self._path(collection) / _UNCLOSED).touch()
            self._changed.add(collection)
            shard.update(operation)

    def _reserve(self, collection: str) -> None:
        with self._lock, self._translated():
            self._room.reserve(self._path(collection) / _SHARD)

    def _has_room_to_index(self, collection: str) -> bool:
        """Return whether the segments fit on the disk twice; if not, a later run builds the index."""
        segments = (self._path(collection) / _SHARD / "segments").glob("**/*")
        if self._room.allows(2 * sum(map(taken, segments))):
            return True
        components = sum(shape.dimension for shape in self._vectors(collection).values())
        if 4 * components * self.count(collection, exact=False) >= _INDEXED_FROM:
            message = (
                f"the disk of {self.target} has no room for the index of {collection!r}, so searches compare every "
                "vector. The next ingest builds it when there is room"
            )
            warnings.warn(message, UserWarning, stacklevel=4)
        return False

    def _vectors(self, collection: str) -> Mapping[str, VectorShape]:
        description = self.describe(collection)
        return description.vectors if description else {}

    def _rewrite(self, collection: str, **facts: Any) -> None:  # noqa: ANN401 - JSON
        path = self._path(collection) / _FACTS
        with self._lock, self._translated():
            _write(path, {**json.loads(path.read_text(encoding="utf-8")), **facts})

    def _shard(self, collection: str) -> edge.EdgeShard:
        if collection not in self._open:
            self._room.require_for_reading(self._path(collection) / _SHARD)
            if (self._path(collection) / _UNCLOSED).exists():  # opening it writes what is in the log alone
                self._room.require(lambda: 0)
            self._open[collection] = open_shard(self._path(collection) / _SHARD)
        return self._open[collection]

    def _path(self, collection: str) -> Path:
        return edge_collection_folder(self._folder, collection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self.target}: {error}. Check that the disk has room and that the folder may be written"
            raise TargetError(message) from error
        except TargetError:
            raise
        except Exception as error:
            # qdrant-edge raises bare exceptions: the cause is only in their text.
            if "WouldBlock" in str(error):
                remedy = "it is open already, here or in another process. Wait for that to end, or use a Qdrant server"
                raise TargetError(f"{self.target}: {remedy}") from error
            if "No space left" in str(error):
                remedy = "the disk is full. Make room, and run the same command again to go on"
                raise TargetError(f"{self.target}: {remedy}") from error
            if "failed to load segment" in str(error):
                remedy = "the segment is damaged. Delete the folder, and ingest again"
                raise TargetError(f"{self.target}: {error}: {remedy}") from error
            raise TargetError(f"{self.target}: {error}") from error


def _made(path: Path) -> bool:
    return not path.name.endswith(_HALF_MADE)


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    """Replace a file in one step, so that a killed process leaves the old one or the new one."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
