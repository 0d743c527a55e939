"""The limits that a collection's strict mode sets, as hosted servers do; a request beyond one is refused."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from qdrant_client.http.models import CollectionConfig


class Limits(NamedTuple):
    """The limits of one collection.

    Attributes:
        page: Most points that a request may ask for.
        batch: Most points that a request may write.
        exact: Whether exact counts and searches are allowed.
    """

    page: int = sys.maxsize
    batch: int = sys.maxsize
    exact: bool = True


def limits_of(config: CollectionConfig) -> Limits:
    """Read the limits in a collection's configuration; a server older than strict mode has none."""
    strict = config.strict_mode_config
    if strict is None or not strict.enabled:
        return Limits()
    return Limits(
        page=strict.max_query_limit or sys.maxsize,
        batch=strict.upsert_max_batchsize or sys.maxsize,
        exact=strict.search_allow_exact is not False,
    )
