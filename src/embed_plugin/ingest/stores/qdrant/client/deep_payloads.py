"""Payloads nested too deeply for gRPC: they go over HTTP, to the same server.

Protobuf refuses a message of more than 100 levels of messages, in Python and in Qdrant. An object of a payload takes
three of them (value, struct, entry) and a list two, so that 33 objects in each other are too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from grpc import RpcError, StatusCode  # type: ignore[import-untyped]
from qdrant_client import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qdrant_client import QdrantClient

GRPC_LEVELS = 24
"""Levels of objects and lists in a payload that gRPC carries whatever their kind."""


def is_deep(value: object, *, levels: int = GRPC_LEVELS) -> bool:
    """Return whether a payload has more levels of objects and lists, itself included."""
    if isinstance(value, Mapping):
        return levels < 1 or any(is_deep(item, levels=levels - 1) for item in value.values())
    if isinstance(value, list | tuple):
        return levels < 1 or any(is_deep(item, levels=levels - 1) for item in value)
    return False


def is_unreadable(error: BaseException | None) -> bool:
    """Return whether a response over gRPC could not be written or parsed, as with such a payload in it."""
    if not isinstance(error, RpcError):
        return False
    unparsed = error.code() == StatusCode.INTERNAL and "deserializing response" in (error.details() or "")
    return unparsed or error.code() == StatusCode.UNKNOWN


def upsert(client: QdrantClient, collection: str, made: models.Batch | list[models.PointStruct]) -> None:
    """Store points over HTTP; on return they are durable."""
    points = models.PointsList(points=made) if isinstance(made, list) else models.PointsBatch(batch=made)
    client.http.points_api.upsert_points(collection, wait=True, point_insert_operations=points)


def update(client: QdrantClient, collection: str, operations: Sequence[models.UpdateOperation]) -> None:
    """Change points over HTTP; on return the changes are durable."""
    made = models.UpdateOperations(operations=list(operations))
    client.http.points_api.batch_update(collection, wait=True, update_operations=made)


def retrieve(client: QdrantClient, collection: str, request: models.PointRequest) -> list[models.Record]:
    """The points with some ids, over HTTP."""
    return client.http.points_api.get_points(collection, point_request=request).result or []


def scroll(
    client: QdrantClient, collection: str, request: models.ScrollRequest
) -> tuple[list[models.Record], object | None]:
    """Return a page of points over HTTP, and the offset of the next one."""
    result = client.http.points_api.scroll_points(collection, scroll_request=request).result
    return (result.points, result.next_page_offset) if result else ([], None)


def query(client: QdrantClient, collection: str, request: models.QueryRequest) -> list[models.ScoredPoint]:
    """The points that a query finds, over HTTP."""
    result = client.http.search_api.query_points(collection, query_request=request).result
    return result.points if result else []
