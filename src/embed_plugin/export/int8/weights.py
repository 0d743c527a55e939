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

WORTH_KEEPING = 0.15
"""Part of the square of the largest magnitude left, and so of the worst row's rounding, that each kept channel must
take away. It costs an instruction where 384 channels cost 96. 0.05 and 0.1 give the same cosines."""


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
    """Describe an activation by rows of it, ``(tokens, channels)``.

    Without any, as of an expert that no text needed, weights are rounded to the nearest.
    """
    if not len(rows):
        return Activation((), np.eye(rows.shape[1]))
    moments = rows.T @ rows / len(rows)
    return Activation(_outliers(rows), moments)


def _outliers(rows: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Choose the channels of the largest magnitudes, as many as are worth their cost.

    Magnitudes and not mean squares or ranges, for some outliers are those of a few tokens of a text, which weigh little
    in any mean and much in the text's vector.
    """
    largest = np.abs(rows).max(axis=0)
    order = np.argsort(-largest, kind="stable")[: MOST_KEPT + 1]
    costs = np.square(largest[order]) * (1 - WORTH_KEEPING) ** -np.arange(len(order))
    return tuple(sorted(int(channel) for channel in order[: int(np.argmin(costs))]))


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
