"""Bootstrap: the confidence interval of a mean, or of a difference between two models, over other queries of the kind.

A difference is paired: both models are measured on the same resample each time, so a query that is hard for both
cancels out. The interval is the percentile interval (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
chapter 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

RESAMPLES = 10_000
QUANTILES = (0.025, 0.975)
"""The ends of a 95 % interval."""

CHUNK_VALUES = 1_000_000
"""Resampled values held at a time: a few arrays of 8 MB, whatever the number of queries."""


@dataclass(frozen=True)
class Interval:
    """The 95 % interval of a mean or of a difference."""

    low: float
    high: float


def bootstrap_mean(values: npt.NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Compute the 95 % interval of ``mean(values)``.

    Args:
        values: ``(n,)``, one for each query.
        resamples: Number of draws of ``n`` queries with replacement.
        seed: Seed of the draws; equal arguments give equal intervals.

    Raises:
        InvalidInputError: nothing to resample.
    """
    if values.ndim != 1 or not len(values):
        raise InvalidInputError(f"expected one value per query, found shape {values.shape}: evaluate a query or more")
    draws = _draw(len(values), resamples, seed)
    return _interval(np.concatenate([values[indices].mean(axis=1) for indices in draws]))


def bootstrap_mean_difference(
    baseline: npt.NDArray[np.float64], model: npt.NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Compute the 95 % interval of ``mean(model) - mean(baseline)``.

    Args:
        baseline: ``(n,)``, a metric of each query.
        model: ``(n,)``, the same queries in the same order.
        resamples: Number of draws of ``n`` queries with replacement.
        seed: Seed of the draws; equal arguments give equal intervals.

    Raises:
        InvalidInputError: nothing to resample, or the two lengths differ.
    """
    _require_same_length(baseline, model)
    return bootstrap_mean(model - baseline, resamples=resamples, seed=seed)


def bootstrap_spearman_difference(
    scores: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64],
    model: npt.NDArray[np.float64],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compute the 95 % interval of ``spearman(model, scores) - spearman(baseline, scores)`` over resampled pairs.

    Args:
        scores: ``(n,)``, the judged similarity of each pair.
        baseline: ``(n,)``, the baseline's cosines of the same pairs.
        model: ``(n,)``, the model's.
        resamples: Number of draws of ``n`` pairs with replacement.
        seed: Seed of the draws.

    Raises:
        InvalidInputError: nothing to resample, or the lengths differ.
    """
    _require_same_length(scores, baseline)
    _require_same_length(scores, model)
    count = len(scores)
    differences = []
    for indices in _draw(count, resamples, seed):
        rows = np.arange(len(indices))[:, np.newaxis] * count
        copies = np.bincount((indices + rows).ravel(), minlength=indices.size).reshape(indices.shape)
        judged, one, other = (_ranks_of_copies(values, copies) for values in (scores, baseline, model))
        differences.append(_correlation(other, judged, copies) - _correlation(one, judged, copies))
    return _interval(np.concatenate(differences))


def _draw(count: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield ``(rows, count)`` drawn indices, ``resamples`` rows in all."""
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK_VALUES // count)
    for first in range(0, resamples, rows):
        yield rng.integers(count, size=(min(rows, resamples - first), count))


def _ranks_of_copies(values: npt.NDArray[np.float64], copies: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Centred mean ranks ``(resamples, n)`` of values that a resample holds ``copies`` of; sorts the values once."""
    distinct, inverse = np.unique(values, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(distinct)))
    counts = np.add.reduceat(copies[:, order], starts, axis=1)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return np.asarray(ranks[:, inverse] - (copies.shape[1] + 1) / 2)


def _correlation(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], copies: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Pearson's correlation of centred ranks, row by row; NaN where a resample holds equal values only."""
    spread = np.sqrt(np.sum(copies * x * x, axis=1) * np.sum(copies * y * y, axis=1))
    correlation = np.full(len(spread), np.nan)
    np.divide(np.sum(copies * x * y, axis=1), spread, out=correlation, where=spread > 0)
    return correlation


def _interval(differences: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(differences[~np.isnan(differences)], QUANTILES)
    return Interval(float(low), float(high))


def _require_same_length(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> None:
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        message = f"expected one value per query of both models, found shapes {x.shape} and {y.shape}"
        raise InvalidInputError(f"{message}: evaluate both on one dataset")
