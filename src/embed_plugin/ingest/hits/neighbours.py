"""Put the chunks before and behind each hit beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.ids import record_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.query import Hit
    from embed_plugin.ingest.stores.qdrant.sink import QdrantSink


def with_neighbours(hits: Sequence[Hit], sink: QdrantSink, count: int) -> list[Hit]:
    """Return the hits with the texts of up to ``count`` chunks of the record before each, and as many behind it.

    A point of another program has none.

    Args:
        hits: Of a search.
        sink: The collection that was searched.
        count: Chunks on each side.

    Raises:
        InvalidInputError: the count is below 0.
        TargetError: the store cannot be reached.
    """
    if count < 0:
        raise InvalidInputError(f"{count} chunks of context, expected 0 or more")
    wanted = {hit.point_id: _ids(hit, sink, count) for hit in hits if hit.source_id}
    ids = {one: None for some in wanted.values() for side in some for one in side}
    texts = {chunk.id: chunk.text for chunk in sink.retrieve_texts(list(ids))} if ids else {}
    found = []
    for hit in hits:
        before, after = ([texts[one] for one in side if one in texts] for side in wanted.get(hit.point_id, ([], [])))
        found.append(replace(hit, before=tuple(before), after=tuple(after)))
    return found


def _ids(hit: Hit, sink: QdrantSink, count: int) -> tuple[list[str], list[str]]:
    """The ids of the points before a hit and behind it."""
    key = record_key(hit.source_name, hit.source_id)
    before = range(max(0, hit.chunk_index - count), hit.chunk_index)
    after = range(hit.chunk_index + 1, hit.chunk_index + 1 + count)
    return [sink.id_of(key, index) for index in before], [sink.id_of(key, index) for index in after]
