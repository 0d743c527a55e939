"""The gRPC half of a server on loopback: what qdrant-client sends is unpacked by its own conversions, and stored."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from qdrant_client import grpc as messages
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_to_payload
from qdrant_client.grpc.collections_service_pb2_grpc import CollectionsServicer, add_CollectionsServicer_to_server
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server

from support.misbehaving_qdrant import Misbehaviour, beyond, unindexed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qdrant_client import QdrantClient

DONE = messages.PointsOperationResponse(
    result=messages.UpdateResult(operation_id=0, status=messages.UpdateStatus.Completed)
)


@contextmanager
def grpc_qdrant(
    engine: QdrantClient,
    *codes: grpc.StatusCode,
    poison: str | None = None,
    behaviour: Misbehaviour | None = None,
    port: int = 0,
    tls: grpc.ServerCredentials | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Serve on a free port; the port, and the sizes of the upserts that come.

    The first upserts fail with the codes, in order. One with a point whose payload has ``poison`` in it is refused.
    What else goes wrong is the behaviour, that of the HTTP half if it is given.
    """
    behaviour = behaviour or Misbehaviour(engine, poison=poison)
    lock, sizes = Lock(), list[int]()
    server = grpc.server(ThreadPoolExecutor(4))
    add_CollectionsServicer_to_server(_Collections(behaviour, lock), server)  # type: ignore[no-untyped-call]
    add_PointsServicer_to_server(_Points(behaviour, lock, deque(codes), sizes), server)  # type: ignore[no-untyped-call]
    address = f"127.0.0.1:{port}"
    port = server.add_secure_port(address, tls) if tls else server.add_insecure_port(address)
    server.start()
    try:
        yield port, sizes
    finally:
        server.stop(None).wait()


class _Collections(CollectionsServicer):
    def __init__(self, behaviour: Misbehaviour, lock: Lock) -> None:
        self.behaviour, self.engine, self.lock = behaviour, behaviour.engine, lock

    def List(self, _request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self.behaviour.api_keys.add(dict(context.invocation_metadata()).get("api-key"))
        with self.lock:
            names = [found.name for found in self.engine.get_collections().collections]
        return messages.ListCollectionsResponse(
            collections=[messages.CollectionDescription(name=name) for name in names]
        )

    def CollectionExists(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            exists = self.engine.collection_exists(request.collection_name)
        return messages.CollectionExistsResponse(result=messages.CollectionExists(exists=exists))

    def Get(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            info = self.engine.get_collection(request.collection_name)
        info.config.strict_mode_config = self.behaviour.strict
        info.payload_schema = {
            key: models.PayloadIndexInfo(data_type=models.PayloadSchemaType(kind), points=0)
            for key, kind in self.behaviour.indexes.items()
        }
        return messages.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def ListAliases(self, _request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            found = self.engine.get_aliases().aliases
        return messages.ListAliasesResponse(aliases=[RestToGrpc.convert_alias_description(one) for one in found])

    def UpdateAliases(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            self.engine.update_collection_aliases([GrpcToRest.convert_alias_operations(one) for one in request.actions])
        return messages.CollectionOperationResponse(result=True)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        sparse = request.sparse_vectors_config
        if self.behaviour.made_meanwhile:
            self.behaviour.made_meanwhile()
        with self.lock:
            if self.engine.collection_exists(request.collection_name):
                context.abort(grpc.StatusCode.ALREADY_EXISTS, "Wrong input: the collection already exists!")
            self.engine.create_collection(
                request.collection_name,
                GrpcToRest.convert_vectors_config(request.vectors_config),
                sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(sparse) if sparse.map else None,
                metadata=grpc_to_payload(request.metadata),
            )
        return messages.CollectionOperationResponse(result=True)

    def Update(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            self.engine.update_collection(request.collection_name, metadata=grpc_to_payload(request.metadata))
        return messages.CollectionOperationResponse(result=True)

    def Delete(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            self.engine.delete_collection(request.collection_name)
        return messages.CollectionOperationResponse(result=True)


class _Points(PointsServicer):
    def __init__(self, behaviour: Misbehaviour, lock: Lock, codes: deque[grpc.StatusCode], sizes: list[int]) -> None:
        self.behaviour, self.engine, self.lock, self.codes, self.sizes = behaviour, behaviour.engine, lock, codes, sizes

    def _keep_strict(self, context: Any, **body: Any) -> None:  # noqa: ANN401
        reason = beyond(self.behaviour.strict, "/query", body)
        if reason is not None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)

    def Upsert(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            code = self.codes.popleft() if self.codes else None
            self.sizes.append(len(request.points))
        if code is not None:
            context.abort(code, "as planned")
        if self.behaviour.quota:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.behaviour.quota)
        if self.behaviour.forbidden:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, self.behaviour.forbidden)
        self._keep_strict(context, points=list(request.points))
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        poison = self.behaviour.poison
        if poison and any(poison in str(point.payload) for point in points):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a point is poisoned")
        with self.lock:
            self.engine.upsert(request.collection_name, points)
        return DONE

    def CreateVectorName(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        if self.behaviour.adds_no_vectors:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found")
        made: models.DenseVectorNameConfig | models.SparseVectorNameConfig
        if request.HasField("sparse_config"):
            wanted = request.sparse_config
            modifier = GrpcToRest.convert_modifier(wanted.modifier) if wanted.HasField("modifier") else None
            made = models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=modifier))
        else:
            dense = request.dense_config
            shape = models.DenseVectorConfig(size=dense.size, distance=GrpcToRest.convert_distance(dense.distance))
            if dense.HasField("multivector_config"):
                shape.multivector_config = GrpcToRest.convert_multivector_config(dense.multivector_config)
            made = models.DenseVectorNameConfig(dense=shape)
        with self.lock:
            self.engine.create_vector_name(request.collection_name, request.vector_name, made)
        return DONE

    def DeleteVectorName(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            self.engine.delete_vector_name(request.collection_name, request.vector_name)
        return DONE

    def UpdateVectors(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        points = [GrpcToRest.convert_point_vectors(one) for one in request.points]
        with self.lock:
            self.engine.update_vectors(request.collection_name, points)
        return DONE

    def CreateFieldIndex(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        kind = messages.FieldType.Name(request.field_type).removeprefix("FieldType").lower()
        self.behaviour.indexes[request.field_name] = kind
        return DONE

    def Delete(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        with self.lock:
            self.engine.delete(request.collection_name, GrpcToRest.convert_points_selector(request.points))
        return DONE

    def UpdateBatch(self, request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        operations = [GrpcToRest.convert_points_update_operation(one) for one in request.operations]
        with self.lock:
            self.engine.batch_update_points(request.collection_name, operations)
        return messages.UpdateBatchResponse(result=[DONE.result] * len(operations))

    def Get(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._keep_strict(context, ids=list(request.ids))
        ids = [GrpcToRest.convert_point_id(one) for one in request.ids]
        with self.lock:
            keys = list(request.with_payload.include.fields) or True
            vectors = GrpcToRest.convert_with_vectors_selector(request.with_vectors)
            found = self.engine.retrieve(request.collection_name, ids, with_payload=keys, with_vectors=vectors)
        return messages.GetResponse(result=[RestToGrpc.convert_retrieved_point(point) for point in found])

    def Scroll(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._keep_strict(context, limit=request.limit)
        offset = GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None
        with self.lock:
            found, following = self.engine.scroll(
                request.collection_name,
                scroll_filter=_filter(request),
                offset=offset,
                limit=request.limit,
                with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
            )
        following = None if following is None else RestToGrpc.convert_extended_point_id(following)
        records = [RestToGrpc.convert_retrieved_point(point) for point in found]
        return messages.ScrollResponse(result=records, next_page_offset=following)

    def Query(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._keep_strict(context, limit=request.limit, prefetch=[{"limit": one.limit} for one in request.prefetch])
        asked = GrpcToRest.convert_query_points(request)
        for one in (asked, *(asked.prefetch or ())):
            one.filter = _without_empty(one.filter) if one.filter else None
            found = one.filter.model_dump(mode="json", exclude_none=True) if one.filter else None
            if reason := unindexed(self.behaviour, found):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
        with self.lock:
            found = self.engine.query_points(
                request.collection_name,
                asked.query,
                using=asked.using,
                prefetch=asked.prefetch,
                query_filter=asked.filter,
                limit=asked.limit or 10,
            )
        return messages.QueryResponse(result=[RestToGrpc.convert_scored_point(point) for point in found.points])

    def Count(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._keep_strict(context, exact=request.exact)
        with self.lock:
            return messages.CountResponse(
                result=messages.CountResult(count=self.engine.count(request.collection_name).count)
            )


def _filter(request: Any) -> models.Filter | None:  # noqa: ANN401 - a message
    """Return the filter of a request."""
    return _without_empty(GrpcToRest.convert_filter(request.filter)) if request.HasField("filter") else None


def _without_empty(one: models.Filter) -> models.Filter:
    """Return a filter without empty lists: an empty ``should`` is none, but old local modes take it for unfulfilled."""
    lists = {name: getattr(one, name) for name in ("must", "should", "must_not")}
    inner: dict[str, Any] = {
        name: [_without_empty(each) if isinstance(each, models.Filter) else each for each in found]
        for name, found in lists.items()
        if found
    }
    return models.Filter(**inner)
