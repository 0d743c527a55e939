"""Convert points to the fastest form of each of Qdrant's interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qdrant_client import grpc, models
from qdrant_client.conversions.conversion import RestToGrpc

from embed_plugin.ingest.stores.qdrant.backend import SPARSE_VECTOR, PointBatch, plain_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from embed_plugin.types import Vectors

_DATA_FIELD = b"\x0a"  # DenseVector.data: field 1, a packed repeated float


def rest_batch(points: PointBatch) -> models.Batch:
    """Points for HTTP and for local mode: one conversion of the whole array."""
    rows = points.vectors.tolist()
    vectors: Any = rows
    if points.sparse is not None:
        sparse = [models.SparseVector(indices=list(one.indices), values=list(one.values)) for one in points.sparse]
        vectors = {points.name: rows, SPARSE_VECTOR: sparse}
    elif points.name:
        vectors = {points.name: rows}
    return models.Batch(ids=plain_ids(points.ids), vectors=vectors, payloads=[dict(one) for one in points.payloads])


def upsert_request(collection: str, points: PointBatch) -> grpc.UpsertPoints:
    """Points for gRPC; the response comes when they are stored.

    A packed list of floats is the bytes of the array's row: on one core 2.6 us per vector of 384, against 10.3 us
    by way of a list, and 53 us for an array that protobuf reads number by number.
    """
    made = [
        grpc.PointStruct(
            id=RestToGrpc.convert_extended_point_id(point_id),
            vectors=_vectors(points, number, dense),
            payload=RestToGrpc.convert_payload(dict(payload)),
        )
        for number, (point_id, dense, payload) in enumerate(
            zip(plain_ids(points.ids), _dense_vectors(points.vectors), points.payloads, strict=True)
        )
    ]
    return grpc.UpsertPoints(collection_name=collection, wait=True, points=made)


def new_vectors(points: PointBatch) -> list[models.PointVectors]:
    """New vectors of stored points."""
    rows = points.vectors.tolist()
    ids = plain_ids(points.ids)
    return [models.PointVectors(id=one, vector={points.name: row}) for one, row in zip(ids, rows, strict=True)]


def dense_vector(vector: object, name: str | None) -> npt.NDArray[np.float32] | None:
    """The dense vector of a name in a response, which has it alone or beside others."""
    found = vector.get(name) if isinstance(vector, dict) else vector
    return None if found is None else np.asarray(found, dtype=np.float32)


def _dense_vectors(vectors: Vectors) -> Iterator[grpc.DenseVector]:
    prefix = _DATA_FIELD + _varint(vectors.shape[1] * 4)
    return (grpc.DenseVector.FromString(prefix + row.tobytes()) for row in vectors.astype("<f4", copy=False))


def _vectors(points: PointBatch, number: int, dense: grpc.DenseVector) -> grpc.Vectors:
    if points.sparse is None and not points.name:
        return grpc.Vectors(vector=grpc.Vector(dense=dense))
    named = {points.name: grpc.Vector(dense=dense)}
    if points.sparse is not None:
        one = points.sparse[number]
        sparse = grpc.SparseVector(indices=list(one.indices), values=list(one.values))
        named[SPARSE_VECTOR] = grpc.Vector(sparse=sparse)
    return grpc.Vectors(vectors=grpc.NamedVectors(vectors=named))


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])
