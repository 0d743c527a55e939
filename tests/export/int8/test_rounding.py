from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.export.int8.rounding import BLOCK, TABLE_ROWS, round_table, round_to_int8, round_with_moments

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

RNG = np.random.default_rng(3)


def correlated(rows: int, inputs: int) -> Array:
    """Rows whose channels follow a few common causes."""
    causes = RNG.standard_normal((rows, 5)) @ RNG.standard_normal((5, inputs))
    found: Array = causes + 0.3 * RNG.standard_normal((rows, inputs)) + 0.5
    return found


def loss(weight: Array, rounded: Array, scales: Array, x: Array) -> float:
    return float(np.square(x @ (weight - rounded * scales[:, None].astype(np.float64)).T).mean())


@pytest.mark.parametrize("inputs", [1, 7, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_the_error_of_the_product_falls(inputs: int) -> None:
    x, weight = correlated(2000, inputs), RNG.standard_normal((20, inputs))
    plain, better = round_to_int8(weight), round_with_moments(weight, x.T @ x / len(x))
    assert loss(weight, *better, x) <= (1.0 if inputs < BLOCK else 0.6) * loss(weight, *plain, x)


def test_it_falls_on_rows_that_were_not_seen() -> None:
    x, weight = correlated(4000, 60), RNG.standard_normal((20, 60))
    better = round_with_moments(weight, x[:2000].T @ x[:2000] / 2000)
    assert loss(weight, *better, x[2000:]) < 0.6 * loss(weight, *round_to_int8(weight), x[2000:])


def test_scales_are_those_of_the_weights() -> None:
    weight = RNG.standard_normal((5, 30))
    rounded, scales = round_with_moments(weight, np.eye(30))
    np.testing.assert_allclose(scales, np.abs(weight).max(axis=1) / 127, rtol=1e-6)
    assert rounded.dtype == np.int8
    assert np.abs(rounded.astype(int)).max() <= 127


def test_independent_inputs_are_rounded_to_the_nearest() -> None:
    weight = RNG.standard_normal((5, 30))
    np.testing.assert_array_equal(
        round_with_moments(weight, np.diag(RNG.random(30) + 0.1))[0], round_to_int8(weight)[0]
    )


def test_inputs_that_never_occurred_are_rounded_to_the_nearest() -> None:
    weight = RNG.standard_normal((5, 30))
    np.testing.assert_array_equal(round_with_moments(weight, np.zeros((30, 30)))[0], round_to_int8(weight)[0])


def test_outputs_of_zeros_stay_zero() -> None:
    rounded, scales = round_with_moments(np.zeros((2, 10)), np.eye(10))
    assert not rounded.any()
    assert np.isfinite(scales).all()


def test_noise_of_float64_changes_no_weight() -> None:
    x, weight = correlated(3000, 300), RNG.standard_normal((200, 300))
    noisy = x * (1 + 1e-13 * RNG.standard_normal(x.shape))
    one, other = (round_with_moments(weight, rows.T @ rows / len(rows))[0] for rows in (x, noisy))
    np.testing.assert_array_equal(one, other)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_nearest_is_within_half_a_step(outputs: int, inputs: int, seed: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((outputs, inputs)).astype(np.float32)
    rounded, scales = round_to_int8(weight)
    assert (np.abs(rounded * scales[:, None] - weight) <= scales[:, None] * (0.5 + 1e-4)).all()


def test_a_table_is_rounded_as_one_whatever_its_rows() -> None:
    table = RNG.standard_normal((2 * TABLE_ROWS + 3, 4)).astype(np.float32)
    for whole, parts in zip(round_to_int8(table), round_table(table), strict=True):
        np.testing.assert_array_equal(parts, whole)
