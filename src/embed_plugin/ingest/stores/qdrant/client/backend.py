"""Collections by qdrant-client: of a server, of a folder in its local mode, or in memory."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, TypeVar

from qdrant_client import models

from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.collection_settings import VECTOR_SETTINGS, CollectionSettings
from embed_plugin.ingest.stores.description import Description
from embed_plugin.ingest.stores.qdrant.backend import (
    FUSED_AT_LEAST,
    AddedVectors,
    FoundPoint,
    NamedVectors,
    OtherVector,
    Page,
    PointBatch,
    Ranking,
    batched,
    one_process_only,
    plain_ids,
    wanted_vectors,
)
from embed_plugin.ingest.stores.qdrant.client import deep_payloads
from embed_plugin.ingest.stores.qdrant.client import errors as qdrant_errors
from embed_plugin.ingest.stores.qdrant.client.address import address_of
from embed_plugin.ingest.stores.qdrant.client.collection import (
    collection_arguments,
    create_once,
    payload_indexes,
    vector_config,
    vector_shape,
)
from embed_plugin.ingest.stores.qdrant.client.connection import Connection
from embed_plugin.ingest.stores.qdrant.client.errors import translated
from embed_plugin.ingest.stores.qdrant.client.points import (
    dense_vector,
    new_vectors,
    other_vector,
    rest_points,
    rest_vector,
    upsert_request,
)
from embed_plugin.ingest.stores.qdrant.client.queries import naming_indexes, query_arguments, rest_filter
from embed_plugin.ingest.stores.qdrant.client.retry import Retry, RetrySettings
from embed_plugin.ingest.stores.qdrant.client.strict_mode import Limits, limits_of
from embed_plugin.ingest.stores.qdrant.client.target import MEMORY, own_warnings_only

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qdrant_client import QdrantClient

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.filter import Condition

T = TypeVar("T")

_REQUESTS_IN_FLIGHT = 3
_LOCAL_POINTS = 20_000  # above, qdrant-client advises against its local mode
_LOCAL_SETTINGS = VECTOR_SETTINGS | {"distance", "layout"}


class ClientBackend:
    """A backend over a client of qdrant-client, which is closed with it.

    Args:
        client: See :func:`~embed_plugin.ingest.stores.qdrant.client.target.open_client`.
        target: The name of this Qdrant in messages; by default the client's URL or folder.
        retry: How long to retry a request to a server.
        sleep: Waits between two attempts; by default :meth:`interrupt` ends the wait.
        create_folder: Opens the folder that ``client`` stands in for, when the first collection is created; None if the
            client is that of the target itself.
    """

    def __init__(
        self,
        client: QdrantClient,
        *,
        target: str = "",
        retry: RetrySettings | None = None,
        sleep: Callable[[float], object] | None = None,
        create_folder: Callable[[], QdrantClient] | None = None,
    ) -> None:
        options = client.init_options
        local = options["path"] is not None or options["location"] == MEMORY
        self.client = client
        self.target = target or str(options["url"] or options["path"] or options["location"])
        self.requests_in_flight = 1 if local else _REQUESTS_IN_FLIGHT
        self.advised_points = _LOCAL_POINTS if local else None
        self.supported = _LOCAL_SETTINGS if local else frozenset(CollectionSettings.__dataclass_fields__)
        self._grpc = not local and bool(options["prefer_grpc"])
        self._api_key = options["api_key"]
        self._timeout = options["timeout"]
        self._local = local
        self._create_folder = create_folder
        self._lock = RLock() if local else nullcontext()  # local mode is made for one thread
        self._known_limits: dict[str, Limits] = {}
        self._interrupted = Event()
        self._retry_settings = retry or RetrySettings()
        self._retry = Retry(
            self._retry_settings,
            is_transient=qdrant_errors.is_transient,
            retry_after=qdrant_errors.retry_after,
            sleep=sleep or self._wait,
        )

    def __reduce__(self) -> tuple[Callable[..., ClientBackend], tuple[object, ...]]:
        """Pickle as the options of the connection.

        Raises:
            TargetError: only one process may have the folder open, or the client was made without a URL.
        """
        options = self.client.init_options
        if self._local or not options["url"]:
            raise one_process_only(self.target)
        certificates = (options["grpc_options"] or {}).get("root_certificates")
        port = options["grpc_port"] if self._grpc else None
        connection = Connection(address_of(options["url"]), options["api_key"], certificates, port, self._timeout)
        return _connect, (connection, self.target, self._retry_settings)

    def interrupt(self) -> None:
        """End all waits for a retry, now and later: a request then fails with its last error."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the connection, or the folder, so that another process may open it."""
        self.interrupt()
        self.client.close()

    def resolve(self, name: str) -> str:
        """The collection of an alias; the name itself if it is no alias, or if the key may not ask."""
        try:
            return self.aliases().get(name, name)
        except TargetError:
            return name

    def aliases(self) -> Mapping[str, str]:
        """The collection of each alias."""
        found = self._call(self.client.get_aliases).aliases
        return {one.alias_name: one.collection_name for one in found}

    def point_alias(self, alias: str, collection: str) -> None:
        """Let an alias stand for this collection; in one step, if it stood for another one."""
        there = alias in self.aliases()
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(alias_name=alias, collection_name=collection)
        )
        operations: list[models.AliasOperations] = [delete, create] if there else [create]
        self._call(lambda: self.client.update_collection_aliases(operations))

    def describe(self, collection: str) -> Description | None:
        """The description of a collection; None if it does not exist."""
        if not self._call(lambda: self.client.collection_exists(collection)):
            return None
        config = self._config(collection)
        vectors = config.params.vectors or {}
        named = vectors if isinstance(vectors, dict) else {"": vectors}
        return Description(
            vectors={name: vector_shape(one) for name, one in named.items()},
            metadata=config.metadata or {},
            indexing_threshold=None if self._local else config.optimizer_config.indexing_threshold,
            custom_shards=config.params.sharding_method == models.ShardingMethod.CUSTOM,
        )

    def create(self, collection: str, identity: CollectionIdentity, settings: CollectionSettings) -> None:
        """Create a collection with its indexes and its identity, and the folder with the first one."""
        if self._create_folder is not None:
            self.client.close()
            self.client, self._create_folder = self._create_folder(), None
        arguments = collection_arguments(identity, settings)
        self._call(lambda: create_once(self.client, collection, metadata=identity.metadata(), **arguments))
        for key, schema in {} if self._local else payload_indexes(settings).items():
            self._call(partial(self.client.create_payload_index, collection, key, schema))

    def update(self, collection: str, identity: CollectionIdentity, *, indexing_threshold: int | None = None) -> None:
        """Replace the identity, and in the same request the size in kB above which segments are indexed (0: never)."""
        optimizers = None
        if indexing_threshold is not None:
            optimizers = models.OptimizersConfigDiff(indexing_threshold=indexing_threshold)
        metadata = identity.metadata()
        self._call(lambda: self.client.update_collection(collection, optimizers_config=optimizers, metadata=metadata))

    def drop(self, collection: str) -> None:
        """Remove a collection with all its points."""
        self._call(lambda: self.client.delete_collection(collection))

    def retrieve(
        self, collection: str, ids: Sequence[str], keys: Sequence[str], *, vector: str | None = None
    ) -> list[FoundPoint]:
        """The points with these ids, with these keys of their payloads; missing points are left out."""
        return [
            FoundPoint(str(point.id), point.payload or {}, dense_vector(point.vector, vector))
            for some in batched(ids, self._limits(collection).page)
            for point in self._retrieve(collection, some, keys, vector)
        ]

    def _retrieve(
        self, collection: str, ids: Sequence[str], keys: Sequence[str], vector: str | None
    ) -> list[models.Record]:
        vectors = wanted_vectors(vector)
        own_ids = plain_ids(ids)
        request = models.PointRequest(ids=own_ids, with_payload=list(keys), with_vector=vectors)
        return self._read(
            lambda: self.client.retrieve(collection, own_ids, with_payload=list(keys), with_vectors=vectors),
            over_http=lambda: deep_payloads.retrieve(self.client, collection, request),
        )

    def other_vectors(self, collection: str, ids: Sequence[str], name: str) -> dict[str, OtherVector]:
        """The vectors of a name beside the dense one, by id; points without one are left out."""
        points = [
            point
            for some in batched(ids, self._limits(collection).page)
            for point in self._retrieve(collection, some, (), name)
        ]
        found = {str(point.id): other_vector(point.vector, name) for point in points}
        return {one: vector for one, vector in found.items() if vector is not None}

    def upsert(self, collection: str, points: PointBatch) -> None:
        """Store points; on return they are durable."""
        for part in points.parts(self._limits(collection).batch):
            self._upsert(collection, part)

    def _upsert(self, collection: str, points: PointBatch) -> None:
        if self._grpc and any(map(deep_payloads.is_deep, points.payloads)):
            self._call(lambda: deep_payloads.upsert(self.client, collection, rest_points(points)))
        elif self._grpc:
            # Not by the client's own method, which converts each vector to a list of Python floats.
            request = upsert_request(collection, points)
            self._call(lambda: self.client.grpc_points.Upsert(request, timeout=self._timeout))
        else:
            batch = rest_points(points)
            with own_warnings_only():
                self._call(lambda: self.client.upsert(collection, batch, wait=True))

    def overwrite_payloads(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the whole payload of points, by id."""
        operations = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(payload=dict(payload), points=plain_ids([point_id]))
            )
            for point_id, payload in payloads.items()
        ]
        if self._grpc and any(map(deep_payloads.is_deep, payloads.values())):
            self._call(lambda: deep_payloads.update(self.client, collection, operations))
        else:
            self._call(lambda: self.client.batch_update_points(collection, operations, wait=True))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points; missing ones are ignored."""
        selector = models.PointIdsList(points=plain_ids(ids))
        self._call(lambda: self.client.delete(collection, selector, wait=True))

    def scroll(self, collection: str, page: Page) -> tuple[list[FoundPoint], str | None]:
        """Return a page of the collection and the offset of the next one, None after the last."""
        lacks = None
        if page.without is not None:
            lacks = models.Filter(must_not=[models.HasVectorCondition(has_vector=page.without)])
        limit = min(page.limit, self._limits(collection).page)
        offset = None if page.offset is None else plain_ids([page.offset])[0]
        about: dict[str, Any] = {"offset": offset, "limit": limit, "with_payload": True}
        request = models.ScrollRequest(**about, filter=lacks, with_vector=page.vectors)
        found, following = self._read(
            lambda: self.client.scroll(collection, scroll_filter=lacks, with_vectors=page.vectors, **about),
            over_http=lambda: deep_payloads.scroll(self.client, collection, request),
        )
        points = [
            FoundPoint(str(point.id), point.payload or {}, dense_vector(point.vector, page.vector)) for point in found
        ]
        return points, None if following is None else str(following)

    def query(
        self, collection: str, rankings: Sequence[Ranking], *, limit: int, among: Sequence[Condition] = ()
    ) -> list[tuple[float, FoundPoint]]:
        """Score and point of the best by one ranking, best first; several are fused by reciprocal rank."""
        only = rest_filter(among, self._limits(collection).indexes) if among else None
        each = self.fused_points(collection, limit) if len(rankings) > 1 else limit
        asked = query_arguments(rankings, only, limit=limit, each=each)
        with naming_indexes(among):
            found = self._read(
                lambda: self.client.query_points(collection, query_filter=only, **asked).points,
                over_http=lambda: deep_payloads.query(
                    self.client, collection, models.QueryRequest(filter=only, **asked, with_payload=True)
                ),
            )
        return [(point.score, FoundPoint(str(point.id), point.payload or {})) for point in found]

    def scores_of(self, collection: str, ranking: Ranking, ids: Sequence[str]) -> dict[str, float]:
        """The score of each of some points in a ranking, by id; points without a vector of its name are left out.

        A server compares the vectors themselves, by no index and no quantised copy, unless its strict mode forbids it.
        """
        limits = self._limits(collection)
        asked: dict[str, Any] = {"query": rest_vector(ranking.vector), "using": ranking.name or None}
        asked |= {"search_params": models.SearchParams(exact=True)} if limits.exact and not self._local else {}
        scores = dict[str, float]()
        for some in batched(ids, limits.page):
            among = models.Filter(must=[models.HasIdCondition(has_id=plain_ids(some))])
            query = partial(self.client.query_points, collection, query_filter=among, limit=len(some), **asked)
            scores |= {str(point.id): point.score for point in self._call(partial(query, with_payload=False)).points}
        return scores

    def fused_points(self, collection: str, limit: int) -> int:
        """Number of points of each ranking that are fused for so many results: no more than a server allows."""
        return max(limit, min(FUSED_AT_LEAST, self._limits(collection).page))

    def add_vectors(self, collection: str, added: AddedVectors) -> None:
        """Add a kind of vectors to the collection; do nothing if it exists.

        Raises:
            TargetError: the server is too old to add vectors to a collection that exists.
        """
        if added.name in self._vector_names(collection):
            return
        try:
            self._call(lambda: self.client.create_vector_name(collection, added.name, vector_config(added), wait=True))
        except TargetError as error:
            if not qdrant_errors.is_unknown_request(error.__cause__):
                raise
            remedy = "Qdrant 1.18 and later can. Take that, or make a new collection with  --into NAME"
            raise TargetError(f"{self.target} cannot add vectors to a collection that exists: {remedy}") from error

    def drop_vector_name(self, collection: str, name: str) -> None:
        """Remove the vectors of a name from all points; do nothing if there are none.

        Raises:
            TargetError: an old release of qdrant-client cannot remove them from a folder.
        """
        if name not in self._vector_names(collection):
            return
        try:
            self._call(lambda: self.client.delete_vector_name(collection, name, wait=True))
        except TargetError as error:
            if not (self._local and isinstance(error.__cause__, ValueError)):
                raise
            found = f"this release of qdrant-client cannot remove the vectors {name!r} of {collection!r}"
            remedy = "Upgrade it and run it again, or let them stay: no search reads them"
            raise TargetError(f"{found} in {self.target}. {remedy}") from error

    def _vector_names(self, collection: str) -> set[str]:
        params = self._config(collection).params
        dense = params.vectors if isinstance(params.vectors, dict) else {""}
        return {*dense, *(params.sparse_vectors or {})}

    def set_vectors(self, collection: str, vectors: Mapping[str, NamedVectors]) -> None:
        """Set vectors of stored points, by id and name; their payloads and other vectors stay."""
        for ids in batched(list(vectors), self._limits(collection).batch):
            made = new_vectors({one: vectors[one] for one in ids})
            self._call(partial(self.client.update_vectors, collection, made, wait=True))

    def count(self, collection: str, *, exact: bool = True) -> int:
        """Number of points; approximate too where the server forbids to count."""
        exact = exact and self._limits(collection).exact
        return self._call(lambda: self.client.count(collection, exact=exact)).count

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        return sorted(found.name for found in self._call(self.client.get_collections).collections)

    def _wait(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise TargetError(
                f"{self.target} was busy, and the wait for it was ended. Run the same command again to go on"
            )

    def _config(self, collection: str) -> models.CollectionConfig:
        found = self._call(lambda: self.client.get_collection(collection))
        self._known_limits[collection] = limits_of(found)
        return found.config

    def _limits(self, collection: str) -> Limits:
        if not self._local and collection not in self._known_limits:
            self._config(collection)
        return self._known_limits.get(collection, Limits())

    def _read(self, request: Callable[[], T], *, over_http: Callable[[], T]) -> T:
        """Send a request for payloads; over HTTP if one of them is nested too deeply for gRPC."""
        try:
            return self._call(request)
        except TargetError as error:
            if not deep_payloads.is_unreadable(error.__cause__):
                raise
        return self._call(over_http)

    def _call(self, request: Callable[[], T]) -> T:
        with translated(self.target, api_key=self._api_key), self._lock:
            return self._retry.call(request)


def _connect(connection: Connection, target: str, retry: RetrySettings) -> ClientBackend:
    return ClientBackend(connection.open(prefer_grpc=connection.grpc_port is not None), target=target, retry=retry)
