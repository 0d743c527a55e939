"""Tell why a search with a filter found nothing: a field that no point has, or values of another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from embed_plugin.ingest.query import search
from embed_plugin.ingest.stores.filter import has_order

if TYPE_CHECKING:
    from embed_plugin.ingest.query import Hit
    from embed_plugin.ingest.stores.filter import Condition, Conditions
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.protocols import TextEncoder

_EXAMPLES = 20
"""Hits that fields and values are named from."""


def reasons_for_nothing(query: str, encoder: TextEncoder, sink: Sink, *, filter: Conditions) -> list[str]:  # noqa: A002
    """Tell for each condition of a filter that found nothing what the collection has of its field.

    Args:
        query: The text that was searched for.
        encoder: The encoder whose vectors the collection holds.
        sink: The collection.
        filter: The conditions.

    Raises:
        TargetError: the store cannot be reached.
    """
    anything = search(query, encoder, sink, limit=_EXAMPLES)
    if not anything:
        return ["the collection is empty"]
    reasons = []
    for condition in filter:
        having = search(query, encoder, sink, limit=_EXAMPLES, filter=[condition.field_there])
        reasons.append(_about_values(condition, having) if having else _about_fields(condition, anything))
    return reasons


def _about_fields(condition: Condition, anything: list[Hit]) -> str:
    there = sorted({field for hit in anything for field in hit.metadata}) or ["none"]
    return f"no chunk has the field {condition.key} (fields, of some: {', '.join(there)}; and source, record)"


def _about_values(condition: Condition, having: list[Hit]) -> str:
    values = {repr(value): value for hit in having for value in _values(hit, condition.path)}
    found = f"the field {condition.key} has values such as {', '.join(list(values)[:3])}"
    wanted = condition.values[0] if condition.values else ""
    if has_order(wanted) and isinstance(wanted, int | float) and all(isinstance(one, str) for one in values.values()):
        return f"{found}, which are texts: numbers of CSV are stored as numbers with  ingest --infer-types"
    return found


def _values(hit: Hit, path: tuple[str, ...]) -> list[object]:
    """The values of a hit's field."""
    named = {("source",): hit.source_name, ("record",): hit.source_id}
    if path in named:
        return [named[path]]
    value: object = hit.metadata
    for key in path[1:] if path[0] == "metadata" and len(path) > 1 else path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return list(value) if isinstance(value, list) else [value]
