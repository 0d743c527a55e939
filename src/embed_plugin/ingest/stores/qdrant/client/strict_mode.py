"""The limits that a collection's strict mode sets, as hosted servers do; a request beyond one is refused."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client.http.models import CollectionInfo


class Limits(NamedTuple):
    """The limits of one collection.

    Attributes:
        page: Most points that a request may ask for.
        batch: Most points that a request may write.
        exact: Whether exact counts and searches are allowed.
        indexes: The kind of each indexed payload key, where filters by others are refused; None where they are not.
    """

    page: int = sys.maxsize
    batch: int = sys.maxsize
    exact: bool = True
    indexes: Mapping[str, str] | None = None


def limits_of(collection: CollectionInfo) -> Limits:
    """Read the limits in a collection's configuration; a server older than strict mode has none."""
    strict = collection.config.strict_mode_config
    if strict is None or not strict.enabled:
        return Limits()
    return Limits(
        page=strict.max_query_limit or sys.maxsize,
        batch=strict.upsert_max_batchsize or sys.maxsize,
        exact=strict.search_allow_exact is not False,
        indexes=_indexes(collection) if strict.unindexed_filtering_retrieve is False else None,
    )


def _indexes(collection: CollectionInfo) -> dict[str, str]:
    return {key: index.data_type.value for key, index in collection.payload_schema.items()}
