"""Convert points to qdrant-edge's form, and vectors from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import qdrant_edge as edge

from embed_plugin.ingest.stores.qdrant.backend import OtherVector, PointBatch, bytes_of, plain_ids
from embed_plugin.ingest.stores.qdrant.bm25 import SparseVector

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


def edge_points(points: PointBatch) -> list[edge.Point]:
    """Points with all their vectors."""
    rows: list[Any] = points.vectors.tolist()
    if points.others is not None:
        made = ({name: edge_vector(one) for name, one in others.items()} for others in points.others)
        rows = [{points.name: row, **others} for row, others in zip(rows, made, strict=True)]
    elif points.name:
        rows = [{points.name: row} for row in rows]
    return [
        edge.Point(point_id, row, dict(payload))
        for point_id, row, payload in zip(plain_ids(points.ids), rows, points.payloads, strict=True)
    ]


def edge_vector(vector: npt.NDArray[np.float32] | OtherVector) -> Any:  # noqa: ANN401 - one of qdrant-edge's
    """A vector of any kind."""
    if isinstance(vector, np.ndarray):
        return vector.tolist()
    return edge.SparseVector(list(vector.indices), list(vector.values))


def size_of(points: PointBatch) -> int:
    """At least the bytes of points."""
    others = sum(bytes_of(one) for vectors in points.others or () for one in vectors.values())
    return points.vectors.nbytes + others + sum(length_of(payload) for payload in points.payloads)


def length_of(payload: Mapping[str, Any]) -> int:
    """At least the bytes of a payload, nearly all of which is text."""
    return 4 * len(str(payload))


def dense_vector(vector: object, name: str | None) -> npt.NDArray[np.float32] | None:
    """The dense vector of a name in a response, which has it alone or beside others."""
    found = vector.get(name) if isinstance(vector, dict) else vector
    return None if found is None else np.asarray(found, dtype=np.float32)


def other_vector(vector: object, name: str) -> OtherVector | None:
    """The vector of a name beside the dense one, in a response."""
    found = vector.get(name) if isinstance(vector, dict) else None
    if isinstance(found, edge.SparseVector):
        return SparseVector(list(found.indices), list(found.values))
    return None if found is None else np.asarray(found, dtype=np.float32)
