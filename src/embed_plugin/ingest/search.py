"""A question to the chunks nearest to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.contracts import TextEncoder
    from embed_plugin.ingest.qdrant_sink import QdrantSink
    from embed_plugin.ingest.records import JSON


@dataclass(frozen=True)
class Hit:
    """A chunk that was found.

    Attributes:
        score: Cosine similarity to the query.
        source_id: The record it is a piece of.
        chunk_index: Its position among the record's chunks.
        text: Its text.
        metadata: The record's.
    """

    score: float
    source_id: str
    chunk_index: int
    text: str
    metadata: Mapping[str, JSON]


def search(query: str, encoder: TextEncoder, sink: QdrantSink, *, limit: int = 5) -> list[Hit]:
    """Find the chunks nearest to a query, nearest first.

    Raises:
        InvalidInputError: the query is empty or the limit is below 1.
        SpaceMismatchError: the collection holds vectors of another space than the encoder's.
        TargetError: there is no such collection, or the store cannot be reached.
    """
    if not query.strip():
        raise InvalidInputError("the query is empty. Ask for something")
    if limit < 1:
        raise InvalidInputError(f"a limit of {limit}, expected 1 or more")
    if not sink.check(encoder):
        there = ", ".join(sink.collections()) or "none"
        message = f"{sink.target} has no collection {sink.collection!r} (found: {there}). Ingest into it first"
        raise TargetError(message)
    return [_hit(score, payload) for score, payload in sink.search(encoder.encode_queries([query])[0], limit=limit)]


def _hit(score: float, payload: Mapping[str, JSON]) -> Hit:
    index, metadata = payload.get("chunk_index"), payload.get("metadata")
    return Hit(
        score=score,
        source_id=str(payload.get("source_id", "")),
        chunk_index=index if isinstance(index, int) else 0,
        text=str(payload.get("text", "")),
        metadata=metadata if isinstance(metadata, dict) else {},
    )
