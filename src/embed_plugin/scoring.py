"""Scores of texts: pairs of a query and a text, the best of scores, and rankings fused by reciprocal rank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.texts import refuse_bad_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.types import Scores

    Pairs = list[tuple[str, str]]

_OF_A_PAIR = 2

RRF_K = 10
"""A ranking adds ``weight / (RRF_K + n)`` to the score of its place ``n``, counted from 0.

10 and equal weights were the best of those tried on two kinds of questions: docs/measurements/ingest.md.
"""


def checked_query(query: object) -> str:
    """Return a query.

    Raises:
        InvalidInputError: it is not a str, holds a lone surrogate, or is empty.
    """
    if not isinstance(query, str):
        raise InvalidInputError(f"the query is a {type(query).__name__}; expected a str")
    try:
        refuse_bad_texts([query], 0)
    except InvalidTextError as error:
        raise InvalidInputError(f"the query {error.problem}") from error
    if not query.strip():
        raise InvalidInputError("the query is empty: ask for something")
    return query


def pairs_of(query: str, texts: Sequence[str]) -> Pairs:
    """Pair a query with each text."""
    return [(query, text) for text in texts]


def list_of_pairs(pairs: object) -> Pairs:
    """Copy pairs to a list and check each.

    Raises:
        InvalidInputError: they are no list, or a query is empty.
        InvalidTextError: one is not two texts, or a text holds a lone surrogate; its index is the pair's.
    """
    if isinstance(pairs, str | bytes) or not hasattr(pairs, "__len__") or not hasattr(pairs, "__iter__"):
        found = f"one {type(pairs).__name__}"
        raise InvalidInputError(f"expected a list of pairs, found {found}: pass [(query, text), ...]")
    taken = [_pair(pair, index) for index, pair in enumerate(pairs)]
    for index, (query, text) in enumerate(taken):
        refuse_bad_texts([query], index)
        refuse_bad_texts([text], index)
        if not query.strip():
            raise InvalidInputError(f"the query of pair {index} is empty: ask for something")
    return taken


def _pair(pair: object, index: int) -> tuple[str, str]:
    if not isinstance(pair, list | tuple) or len(pair) != _OF_A_PAIR:
        raise InvalidTextError(index, f"is {pair!r:.60}; expected a pair (query, text)")
    return pair[0], pair[1]


def require_top_k(top_k: int | None) -> None:
    """Refuse what is no number of texts.

    Raises:
        InvalidInputError: it is below 1, or no whole number.
    """
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise InvalidInputError(f"top_k is {top_k!r}; expected a whole number of at least 1, or None for all")


def best_first(scores: Scores, top_k: int | None = None) -> list[tuple[int, float]]:
    """Return (index, score) pairs, best first; of equal scores the lower index first."""
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [(int(index), float(scores[index])) for index in order]


def fuse_ranks(
    rankings: Mapping[str, Sequence[str]], *, weights: Sequence[float] | None = None, k: float = RRF_K
) -> dict[str, float]:
    """Fuse rankings by reciprocal rank: ids with their scores, best first; of equal scores an earlier ranking's first.

    Args:
        rankings: Ids, best first, by the ranking's name.
        weights: One for each ranking, in their order; all 1 if None.
        k: Added to an id's place, which is counted from 0.

    Raises:
        InvalidInputError: there is not one weight for each ranking, one is no number from 0 on, or all are 0.
    """
    names = list(rankings)
    factors = [1.0] * len(names) if weights is None else _checked(weights, names)
    scores: dict[str, float] = {}
    for ranked, factor in zip(rankings.values(), factors, strict=True):
        for place, one in enumerate(ranked):
            scores[one] = scores.get(one, 0.0) + factor / (k + place)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _checked(weights: Sequence[float], names: Sequence[str]) -> Sequence[float]:
    if len(weights) != len(names):
        found = f"{len(weights)} weights for {len(names)} rankings"
        raise InvalidInputError(f"{found}: give one for each of {', '.join(names)}, in this order")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        given = ", ".join(map(str, weights))
        raise InvalidInputError(f"the weights {given}: expected numbers from 0 on, and one of them above 0")
    return weights
