"""Make qdrant-edge's form of a search: its rankings, and the filter of its points."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import qdrant_edge as edge

from embed_plugin.ingest.stores.qdrant.edge.points import edge_vector
from embed_plugin.scoring import RRF_K

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.stores.filter import Condition, Value
    from embed_plugin.ingest.stores.qdrant.backend import Ranking


def query_request(
    rankings: Sequence[Ranking], conditions: Sequence[Condition], *, limit: int, each: int
) -> edge.QueryRequest:
    """The request for the best points, with their payloads; several rankings are fused by reciprocal rank.

    Args:
        rankings: The rankings.
        conditions: Only points that fulfil all of them are in a ranking; with paths as in the payload.
        limit: Maximum number of points.
        each: Points of each of several rankings.
    """
    only = edge_filter(conditions) if conditions else None
    queries = [edge.Query.Nearest(edge_vector(one.vector), using=one.name or None) for one in rankings]
    if len(queries) == 1:
        return edge.QueryRequest(limit=limit, query=queries[0], filter=only, with_payload=True)
    fused = [edge.Prefetch(limit=each, query=query, filter=only) for query in queries]
    fusion: Any = edge.Fusion.Rrf(k=RRF_K)  # its stub has another type
    return edge.QueryRequest(limit=limit, query=fusion, prefetches=fused, filter=only, with_payload=True)


def edge_filter(conditions: Sequence[Condition]) -> edge.Filter:
    """The filter of points that fulfil all conditions, whose paths are those of the payload."""
    must: list[Any] = []
    must_not: list[Any] = []
    for condition in conditions:
        tests: list[Any] = [_test(condition, value) for value in condition.values]
        if condition.operator == "!=":
            must_not += [edge.IsEmptyCondition(condition.key), *tests]
        else:
            must += tests if len(tests) == 1 else [edge.Filter(should=tests)]
    return edge.Filter(must=must or None, must_not=must_not or None)


def _test(condition: Condition, value: Value) -> edge.FieldCondition:
    bounds = condition.bounds(value)
    if bounds is None:
        # qdrant-edge takes Python's True for 1, but not numpy's.
        asked: Any = np.bool_(value) if isinstance(value, bool) else value
        return edge.FieldCondition(condition.key, match=edge.MatchValue(asked))
    if isinstance(value, datetime):
        dates = edge.RangeDateTime(**{name: one.isoformat() for name, one in bounds.items()})
        return edge.FieldCondition(condition.key, range=dates)
    return edge.FieldCondition(condition.key, range=edge.RangeFloat(**bounds))
