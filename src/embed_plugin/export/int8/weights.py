"""Choose the channels of an activation that are kept, and round the weights of the products that read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.int8.rounding import round_with_moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

MOST_KEPT = 4
"""Most channels of an activation that are kept."""

WORTH_KEEPING = 0.05
"""Part of the mean square of the rows' ranges, and so of the power of their rounding, that each kept channel must take
away. It costs an instruction where 384 channels cost 96."""


@dataclass(frozen=True)
class QuantisedWeight:
    """A weight that multiplies a quantised activation.

    Attributes:
        rows: int8 ``(out, in)``, 0 for the kept channels.
        scales: float32 ``(out,)``: the rest of the weight is nearly ``rows * scales[:, None]``.
        term_weights: float32 ``(1 + kept, out)``, which a row's terms are multiplied with: the sums of the rounded
            weights, and the weights of the kept channels as they were.
    """

    rows: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    term_weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Activation:
    """What the values of one activation look like.

    Attributes:
        kept: The channels that are not quantised, in order.
        moments: float64 ``(channels, channels)``, the mean of ``x x^T`` over all rows.
    """

    kept: tuple[int, ...]
    moments: npt.NDArray[np.float64]


def describe(rows: npt.NDArray[np.float64]) -> Activation:
    """Describe an activation by rows of it, ``(tokens, channels)``."""
    moments = rows.T @ rows / len(rows)
    return Activation(_outliers(rows), moments)


def _outliers(rows: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Choose the channels that widen the ranges of rows most, as many as are worth their cost."""
    rest, kept = rows.copy(), list[int]()
    costs = [_range_power(rest)]
    for count in range(1, min(MOST_KEPT, rows.shape[1] - 1) + 1):
        kept.append(_widest(rest))
        rest[:, kept[-1]] = 0
        costs.append(_range_power(rest) * (1 - WORTH_KEEPING) ** -count)
    return tuple(sorted(kept[: int(np.argmin(costs))]))


def _widest(rows: npt.NDArray[np.float64]) -> int:
    """The channel without which the mean square of the rows' ranges falls most."""
    gains = np.zeros(rows.shape[1])
    for upwards in (rows, -rows):
        first, below = upwards.argmax(axis=1), np.maximum(-upwards.min(axis=1), 0)
        second, most = np.maximum(np.partition(upwards, -2, axis=1)[:, -2:].T, 0)
        gains += np.bincount(first, (most + below) ** 2 - (second + below) ** 2, len(gains))
    return int(gains.argmax())


def _range_power(rows: npt.NDArray[np.float64]) -> float:
    """The mean square of the rows' ranges, which hold 0."""
    ends = np.maximum(rows.max(axis=1), 0) - np.minimum(rows.min(axis=1), 0)
    return float(np.square(ends).mean())


def quantise_weights(weights: Sequence[npt.NDArray[np.float32]], activation: Activation) -> Iterator[QuantisedWeight]:
    """Quantise the weights ``(out, in)`` that an activation is multiplied with; its moments are inverted once."""
    kept = list(activation.kept)
    rest = np.setdiff1d(np.arange(len(activation.moments)), kept)
    together = np.concatenate(weights)
    rows = np.zeros(together.shape, np.int8)
    rows[:, rest], scales = round_with_moments(
        together[:, rest].astype(np.float64), activation.moments[np.ix_(rest, rest)]
    )
    sums = rows.sum(axis=1, dtype=np.int64) * scales.astype(np.float64)
    terms = np.concatenate([sums[None].astype(np.float32), together[:, kept].T])
    ends = np.cumsum([len(weight) for weight in weights])[:-1]
    parts = (np.split(rows, ends), np.split(scales, ends), np.split(terms, ends, axis=1))
    return map(QuantisedWeight, *parts)
