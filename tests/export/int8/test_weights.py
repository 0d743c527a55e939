from __future__ import annotations

import numpy as np
import pytest

from embed_plugin.export.int8.weights import MOST_KEPT, Activation, describe, quantise_weights


def drawn(*shape: int, seed: int = 4) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Numbers of which no channel has larger ones than another."""
    return np.random.default_rng(seed).uniform(-3, 3, shape)


def rows(
    outliers: dict[int, float], count: int = 400, channels: int = 60
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows whose outliers occur in every tenth row."""
    found = drawn(count, channels)
    for channel, value in outliers.items():
        found[::10, channel] += value
    return found


@pytest.mark.parametrize("outliers", [{}, {7: 60.0}, {59: -40.0, 3: 90.0}, {3: 90.0, 4: 89.0, 5: -70.0, 30: 65.0}])
def test_channels_that_widen_the_range_are_kept(outliers: dict[int, float]) -> None:
    assert describe(rows(outliers)).kept == tuple(sorted(outliers))


def test_one_strong_token_is_enough_if_it_is_strong() -> None:
    found = rows({})
    found[17, 9] = 500
    assert describe(found).kept == (9,)


def test_no_more_are_kept_than_the_limit() -> None:
    assert len(describe(rows({channel: 50.0 * (channel + 1) for channel in range(12)})).kept) == MOST_KEPT


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_not_every_channel_is_kept(channels: int) -> None:
    assert len(describe(drawn(20, channels) * 10.0 ** np.arange(channels)).kept) < max(2, channels)


def test_kept_channels_have_exact_weights_and_no_int8() -> None:
    weight = drawn(6, 20).astype(np.float32)
    weight[:, 4] = 1e3
    (found,) = quantise_weights([weight], Activation((4, 11), np.eye(20)))
    assert found.term_weights[1:].tobytes() == np.ascontiguousarray(weight[:, [4, 11]].T).tobytes()
    assert not found.rows[:, [4, 11]].any()
    assert found.scales.max() < 0.1


def test_the_first_term_is_the_sum_of_the_rounded_weights() -> None:
    (found,) = quantise_weights([drawn(6, 20).astype(np.float32)], Activation((), np.eye(20)))
    sums = (found.rows * found.scales[:, None].astype(np.float64)).sum(axis=1)
    np.testing.assert_array_equal(found.term_weights[0], sums.astype(np.float32))


def test_weights_of_one_activation_are_as_they_would_be_alone() -> None:
    x = drawn(300, 20) @ drawn(20, 20, seed=5)
    weights = [drawn(size, 20).astype(np.float32) for size in (6, 1, 9)]
    activation = Activation((4, 11), x.T @ x)
    for found, weight in zip(quantise_weights(weights, activation), weights, strict=True):
        (alone,) = quantise_weights([weight], activation)
        assert (found.rows == alone.rows).all()
        assert (found.scales == alone.scales).all()
        assert (found.term_weights == alone.term_weights).all()


def test_without_rows_weights_are_rounded_to_the_nearest() -> None:
    activation = describe(np.zeros((0, 8)))
    weight = drawn(3, 8).astype(np.float32)
    (found,) = quantise_weights([weight], activation)
    assert activation.kept == ()
    assert np.abs(found.rows * found.scales[:, None] - weight).max() <= found.scales.max() * 0.501
