"""Make qdrant-client's form of a search: its rankings, and the filter of its points."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from qdrant_client import models

from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.qdrant.client.points import rest_vector
from embed_plugin.scoring import RRF_K

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embed_plugin.ingest.stores.filter import Condition, Value
    from embed_plugin.ingest.stores.qdrant.backend import Ranking

_UNINDEXED = "index required"
"""In a server's refusal of a filter by a field without an index of its kind."""


def query_arguments(
    rankings: Sequence[Ranking], only: models.Filter | None, *, limit: int, each: int
) -> dict[str, Any]:
    """The arguments of ``query_points`` but for its filter; several rankings are fused by reciprocal rank.

    Args:
        rankings: The rankings.
        only: The filter, which holds for each of several rankings.
        limit: Maximum number of points.
        each: Points of each of several rankings.
    """
    queries = [{"query": rest_vector(one.vector), "using": one.name or None} for one in rankings]
    if len(queries) == 1:
        return {**queries[0], "limit": limit}
    fused = [models.Prefetch(**query, filter=only, limit=each) for query in queries]
    return {"prefetch": fused, "query": models.RrfQuery(rrf=models.Rrf(k=RRF_K)), "limit": limit}


def rest_filter(conditions: Sequence[Condition], indexes: Mapping[str, str] | None) -> models.Filter:
    """The filter of points that fulfil all conditions.

    Args:
        conditions: With paths as in the payload.
        indexes: The kind of each indexed key, where a server refuses filters by others: of the values that a field may
            be equal to, those of that kind are asked for. None where it does not refuse them.
    """
    must: list[models.Condition] = []
    must_not: list[models.Condition] = []
    for condition in conditions:
        values = _of_the_kind(condition.values, indexes.get(condition.key, "") if indexes is not None else "")
        tests: list[models.Condition] = [_test(condition, value) for value in values]
        if condition.operator == "!=":
            must_not += [models.IsEmptyCondition(is_empty=models.PayloadField(key=condition.key)), *tests]
        else:
            must += tests if len(tests) == 1 else [models.Filter(should=tests)]
    return models.Filter(must=must or None, must_not=must_not or None)


@contextmanager
def naming_indexes(conditions: Sequence[Condition]) -> Iterator[None]:
    """Add to a server's refusal of a filter how the fields are indexed."""
    try:
        yield
    except TargetError as error:
        if not conditions or _UNINDEXED not in str(error).lower():
            raise
        needed = {one.key: index_kind(one.values[0]) if one.values else "keyword" for one in conditions}
        options = " ".join(f"--payload-index {key}:{kind}" for key, kind in needed.items())
        message = (
            f"{error}. This server filters by indexed fields alone: ingest into a new collection with  {options}  or "
            "index them in this one by Qdrant's own create_payload_index"
        )
        raise TargetError(message) from error


def index_kind(value: Value) -> str:
    """The kind of the payload index that a comparison with a value needs."""
    kinds = {bool: "bool", str: "keyword", int: "integer", float: "float"}
    return kinds.get(type(value), "datetime")


def _of_the_kind(values: Sequence[Value], kind: str) -> Sequence[Value]:
    numbers = {"integer", "float"}
    wanted = numbers if kind in numbers else {kind}
    return [value for value in values if index_kind(value) in wanted] or values


def _test(condition: Condition, value: Value) -> models.FieldCondition:
    bounds = condition.bounds(value)
    if bounds is None:
        match = models.MatchValue(value=cast("str | int | bool", value))
        return models.FieldCondition(key=condition.key, match=match)
    kind = models.DatetimeRange if isinstance(value, datetime) else models.Range
    return models.FieldCondition(key=condition.key, range=kind(**bounds))
