"""Search a collection: embed a query and return the chunks nearest to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.fusion import fuse
from embed_plugin.ingest.stores.filter import checked_conditions
from embed_plugin.scoring import checked_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest.fusion import Place
    from embed_plugin.ingest.records import JSON
    from embed_plugin.ingest.stores.filter import Condition
    from embed_plugin.ingest.stores.sink import Sink, StoredChunk
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder, TextReranker


@dataclass(frozen=True)
class Hit:
    """A chunk found by a search.

    Attributes:
        score: By the collection's distance, cosine similarity by default; in a hybrid search, of the fused ranking;
            after reranking, the reranker's or the max-sim.
        source_id: The id of its record.
        chunk_index: Its position among the record's chunks.
        text: Its text.
        metadata: The record's.
        source_name: The record's source.
        point_id: The id of its point, the only name of what another program stored.
        places: Its place in each of the rankings that were fused, by the name of their vectors, if that was asked for.
        title: Of its document; the name of the file where that has none.
        headings: The headings that it stands under, the outermost first, without the title.
        first_line: Its first line in the file, from 1; None where it is not known, as of a web page.
        last_line: Its last line.
        page: Its page, from 1, in a format that has pages.
        duplicates: Where the equal and nearly equal hits are that it stands for; see :class:`.Selection`.
        before: The texts of the chunks before it, if they were asked for; see :func:`.with_neighbours`.
        after: The texts of those behind it.
    """

    score: float
    source_id: str
    chunk_index: int
    text: str
    metadata: Mapping[str, JSON]
    source_name: str = ""
    point_id: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)
    title: str = ""
    headings: tuple[str, ...] = ()
    first_line: int | None = None
    last_line: int | None = None
    page: int | None = None
    duplicates: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def citation(self) -> str:
        """The record with its first line or page, then the headings: ``guide.md:120  Install > Proxy``."""
        place = self.source_id or f"point {self.point_id}"
        if self.first_line is not None:
            place += f":{self.first_line}"
        if self.page is not None:
            place += f", page {self.page}"
        return "  ".join(filter(None, [place, " > ".join(self.headings)]))


@dataclass(frozen=True)
class Fusion:
    """How the rankings of a hybrid search are fused.

    Attributes:
        weights: One for each ranking, in the order dense, sparse, token vectors; all 1 if None.
        explain: Tell each hit's place in every ranking.
    """

    weights: Sequence[float] | None = None
    explain: bool = False


def search(  # noqa: PLR0913 - each is one choice about a query
    query: str,
    encoder: TextEncoder,
    sink: Sink,
    *,
    limit: int = 5,
    hybrid: bool | Fusion = False,
    instruction: str | None = None,
    filter: Sequence[Condition] = (),  # noqa: A002 - the word of Qdrant and both frameworks
) -> list[Hit]:
    """Find the chunks nearest to a query, best first.

    Args:
        query: The text to search for.
        encoder: The encoder whose vectors the collection holds.
        sink: The collection.
        limit: Maximum number of chunks to return.
        hybrid: Rank by the collection's other vectors too, and fuse the rankings by reciprocal rank: by the query's
            words in a collection with BM25, and by the vectors of the models that the sink was opened with. A
            :class:`Fusion` gives weights, or asks for each hit's places.
        instruction: One line that says what the query is for, in place of what the model's query prefix says.
        filter: Only chunks that fulfil all these conditions are ranked; :func:`.parse_condition` reads one.

    Raises:
        InvalidInputError: the query is empty, the limit is below 1, the encoder takes no instruction, there is not one
            weight for each ranking, or the filter is made of anything but conditions.
        SpaceMismatchError: the collection holds vectors of another space than the encoder's.
        TargetError: there is no such collection, or the store cannot be reached.
    """
    if not query.strip():
        raise InvalidInputError("the query is empty. Ask for something")
    if limit < 1:
        raise InvalidInputError(f"a limit of {limit}, expected 1 or more")
    conditions = checked_conditions(filter)
    if not sink.check(encoder):
        there = ", ".join(sink.collections()) or "none"
        message = f"{sink.target} has no collection {sink.collection!r} (found: {there}). Ingest into it first"
        raise TargetError(message)
    vector = encoder.encode_queries([query], instruction=instruction)[0]
    if isinstance(hybrid, Fusion):
        rankings = sink.rankings(vector, limit=limit, text=query, conditions=conditions)
        fused = fuse(rankings, limit=limit, weights=hybrid.weights)
        return [hit_of(one.score, one.chunk, one.places if hybrid.explain else {}) for one in fused]
    found = sink.search(vector, limit=limit, text=query if hybrid else None, conditions=conditions)
    return [hit_of(score, chunk, {}) for score, chunk in found]


def rerank_hits(query: str, hits: Sequence[Hit], reranker: TextReranker, *, limit: int = 5) -> list[Hit]:
    """Rank the chunks that a search found by a reranker, best first; a hit's score is the reranker's then.

    Args:
        query: The text that was searched for.
        hits: The candidates, some hundred; of equal scores the earlier stays first.
        reranker: Reads each chunk with the query.
        limit: Maximum number of chunks to return.

    Raises:
        InvalidInputError: the query is empty, or the limit is below 1.
    """
    if limit < 1:
        raise InvalidInputError(f"a limit of {limit}, expected 1 or more")
    ranked = reranker.rank(query, [hit.text for hit in hits], top_k=limit)
    return [replace(hits[index], score=score) for index, score in ranked]


def rescore_hits(
    query: str, hits: Sequence[Hit], model: TextLateInteractionEncoder, sink: Sink, *, limit: int = 5
) -> list[Hit]:
    """Rank the chunks that a search found by max-sim of their stored token vectors; a hit's score is that then.

    Args:
        query: The text that was searched for.
        hits: The candidates, some hundred; of equal scores the earlier stays first. Chunks without token vectors are
            left out.
        model: The model of the collection's token vectors.
        sink: The collection, as the hits were found in it.
        limit: Maximum number of chunks to return.

    Raises:
        InvalidInputError: the query is empty, or the limit is below 1.
        SpaceMismatchError: the collection has no token vectors of this model.
        TargetError: the store cannot be reached.
    """
    if limit < 1:
        raise InvalidInputError(f"a limit of {limit}, expected 1 or more")
    scores = sink.max_sim(checked_query(query), model, [hit.point_id for hit in hits])
    scored = [replace(hit, score=scores[hit.point_id]) for hit in hits if hit.point_id in scores]
    return sorted(scored, key=lambda hit: -hit.score)[:limit]


def hit_of(score: float, chunk: StoredChunk, places: Mapping[str, Place]) -> Hit:
    """Return a stored chunk as a hit; metadata of another type than a place has is left out of its place."""
    about = chunk.metadata
    headings, title = about.get("headings"), about.get("title")
    return Hit(
        *(score, chunk.source_id, chunk.index, chunk.text, about, chunk.source_name, chunk.id, places),
        title=title if isinstance(title, str) else "",
        headings=tuple(map(str, headings)) if isinstance(headings, list) else (),
        first_line=_number(about.get("first_line")),
        last_line=_number(about.get("last_line")),
        page=_number(about.get("page")),
    )


def _number(value: JSON) -> int | None:
    """A whole number above 0: the metadata of a record or of another program may hold anything by that name."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value >= 1 and float(value).is_integer() else None
