"""Answers of tools: hits and stored chunks as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.ingest.query import hit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.query import Hit
    from embed_plugin.ingest.stores.sink import StoredChunk

_PLACE = ("title", "headings", "first_line", "last_line", "page")


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """Return a hit with its score and where it is; what is not known is left out."""
    return {"score": round(hit.score, 6), **_chunk_as_json(hit), **_given({"duplicates": list(hit.duplicates)})}


def stored_as_json(chunk: StoredChunk) -> dict[str, Any]:
    """Return a stored chunk, and where it is."""
    return _chunk_as_json(hit_of(0.0, chunk, {}))


def _chunk_as_json(hit: Hit) -> dict[str, Any]:
    place = {name: getattr(hit, name) for name in _PLACE}
    place["headings"] = list(hit.headings)
    record = {"record": hit.source_id, "source": hit.source_name}
    return {"citation": hit.citation, **_given(record), "chunk": hit.chunk_index, **_given(place), "text": hit.text}


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, "", [])}
