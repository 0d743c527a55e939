"""Fuse rankings of one collection by reciprocal rank, each with a weight."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from embed_plugin.scoring import fuse_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest.stores.sink import StoredChunk


@dataclass(frozen=True)
class Place:
    """The place of a chunk in one ranking.

    Attributes:
        rank: From 1.
        score: In this ranking: a cosine, a sum of weights of words, a max-sim.
    """

    rank: int
    score: float


@dataclass(frozen=True)
class Fused:
    """A chunk of a fused ranking.

    Attributes:
        score: The sum of its reciprocal ranks, each times the ranking's weight.
        chunk: The chunk.
        places: Its place in each ranking that has it, by the ranking's name.
    """

    score: float
    chunk: StoredChunk
    places: Mapping[str, Place]


def fuse(
    rankings: Mapping[str, Sequence[tuple[float, StoredChunk]]],
    *,
    limit: int,
    weights: Sequence[float] | None = None,
) -> list[Fused]:
    """Fuse rankings, best first; of equal scores the one that an earlier ranking has first stays first.

    Args:
        rankings: Score and chunk of the best, best first, by the ranking's name. A single one is not fused: its scores
            stay as they are.
        limit: Maximum number of chunks to return.
        weights: One for each ranking, in their order; all 1 if None.

    Raises:
        InvalidInputError: there is not one weight for each ranking, one is no number from 0 on, or all are 0.
    """
    chunks: dict[str, StoredChunk] = {}
    places: dict[str, dict[str, Place]] = {}
    for name, found in rankings.items():
        for rank, (score, chunk) in enumerate(found, 1):
            chunks.setdefault(chunk.id, chunk)
            places.setdefault(chunk.id, {})[name] = Place(rank, score)
    scores = fuse_ranks({name: [chunk.id for _, chunk in found] for name, found in rankings.items()}, weights=weights)
    if len(rankings) == 1:
        scores = {chunk.id: score for found in rankings.values() for score, chunk in found}
    return [Fused(score, chunks[one], places[one]) for one, score in islice(scores.items(), limit)]
