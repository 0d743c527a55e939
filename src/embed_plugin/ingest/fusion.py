"""Fuse rankings of one collection by reciprocal rank, each with a weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest.stores.sink import StoredChunk

RRF_K = 2
"""The point of the place ``n``, counted from 0, gets ``1 / (RRF_K + n)`` from a ranking: as Qdrant fuses."""


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
    factors = _checked(weights, list(rankings)) if weights is not None else [1.0] * len(rankings)
    chunks: dict[str, StoredChunk] = {}
    places: dict[str, dict[str, Place]] = {}
    scores: dict[str, float] = {}
    for (name, found), factor in zip(rankings.items(), factors, strict=True):
        for place, (score, chunk) in enumerate(found):
            chunks.setdefault(chunk.id, chunk)
            places.setdefault(chunk.id, {})[name] = Place(place + 1, score)
            added = score if len(rankings) == 1 else factor / (RRF_K + place)
            scores[chunk.id] = scores.get(chunk.id, 0.0) + added
    best = sorted(scores, key=lambda one: -scores[one])[:limit]
    return [Fused(scores[one], chunks[one], places[one]) for one in best]


def _checked(weights: Sequence[float], names: Sequence[str]) -> Sequence[float]:
    if len(weights) != len(names):
        found = f"{len(weights)} weights for {len(names)} rankings"
        raise InvalidInputError(f"{found}: give one for each of {', '.join(names)}, in this order")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        given = ", ".join(map(str, weights))
        raise InvalidInputError(f"the weights {given}: expected numbers from 0 on, and one of them above 0")
    return weights
