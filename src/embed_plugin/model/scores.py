"""The activation that makes a reranker's score of its graph's number."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, cast, get_args

ScoreActivation: TypeAlias = Literal["sigmoid", "identity"]
"""sigmoid: scores are from 0 to 1. identity: a score is the graph's number."""


def read_activation(stated: object) -> ScoreActivation:
    """Return the activation that a manifest states.

    Raises:
        ValueError: it states none that this version knows.
    """
    if stated not in get_args(ScoreActivation):
        raise ValueError(f"activation is {stated!r}, expected {' or '.join(get_args(ScoreActivation))}")
    return cast("ScoreActivation", stated)


def activated(logit: float, activation: ScoreActivation) -> float:
    """Return the score of a graph's number, in float64: rounded to float32, it is the same on every CPU."""
    if activation == "identity":
        return logit
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    small = math.exp(logit)  # the other way round, it would overflow
    return small / (1 + small)
