from __future__ import annotations

import numpy as np
import pytest

from embed_plugin import InvalidInputError
from embed_plugin.evaluate import (
    Interval,
    bootstrap,
    bootstrap_mean,
    bootstrap_mean_difference,
    bootstrap_spearman_difference,
    spearman,
)

VALUES = np.random.default_rng(5).random(60)
SCORES = np.round(VALUES + np.random.default_rng(6).random(60), 1)


def test_equal_runs_differ_by_exactly_zero() -> None:
    assert bootstrap_mean_difference(VALUES, VALUES) == Interval(0, 0)
    assert bootstrap_spearman_difference(SCORES, VALUES, VALUES, resamples=200) == Interval(0, 0)


def test_the_interval_is_that_of_the_normal_approximation() -> None:
    changes = np.random.default_rng(7).normal(0.1, 0.2, 400)
    interval = bootstrap_mean_difference(np.zeros(400), changes)
    half = 1.96 * changes.std() / np.sqrt(400)
    assert interval.low == pytest.approx(changes.mean() - half, abs=0.003)
    assert interval.high == pytest.approx(changes.mean() + half, abs=0.003)


def test_the_interval_of_a_mean_is_that_of_a_difference_to_zero() -> None:
    assert bootstrap_mean(VALUES) == bootstrap_mean_difference(np.zeros(60), VALUES)
    assert bootstrap_mean(VALUES).low < VALUES.mean() < bootstrap_mean(VALUES).high
    with pytest.raises(InvalidInputError, match=r"found shape \(0,\): evaluate a query or more"):
        bootstrap_mean(np.zeros(0))


def test_neither_the_seed_nor_the_chunks_are_left_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    first = bootstrap_mean_difference(VALUES, SCORES, seed=3)
    assert first == bootstrap_mean_difference(VALUES, SCORES, seed=3)
    assert first != bootstrap_mean_difference(VALUES, SCORES, seed=4)
    monkeypatch.setattr(bootstrap, "CHUNK_VALUES", 700)
    assert first == bootstrap_mean_difference(VALUES, SCORES, seed=3)


def test_a_resample_correlates_as_its_copies_written_out() -> None:
    model = np.round(np.random.default_rng(8).random(60), 1)
    interval = bootstrap_spearman_difference(SCORES, VALUES, model, resamples=300, seed=1)
    rows = np.random.default_rng(1).integers(60, size=(300, 60))
    changes = [spearman(model[row], SCORES[row]) - spearman(VALUES[row], SCORES[row]) for row in rows]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(changes, [0.025, 0.975])))


def test_resamples_without_a_correlation_are_left_out() -> None:
    interval = bootstrap_spearman_difference(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([2.0, 1.0]))
    assert interval == Interval(-2, -2)


@pytest.mark.parametrize("other", [np.zeros(3), np.zeros(0)])
def test_runs_of_different_length_are_refused(other: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(InvalidInputError, match="evaluate both on one dataset"):
        bootstrap_mean_difference(np.zeros(0), other)
