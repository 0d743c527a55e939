from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.export.int8.kernel_graph import packed
from support.one_operator import assert_quantised, gelu, needs_library, quantise, run, session

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = needs_library

SHAPES = [(1, 1, 1), (1, 4, 16), (2, 5, 17), (6, 384, 64), (7, 388, 33), (13, 32, 130), (50, 1540, 384), (3, 2, 1540)]
"""Rows, depth, columns: whole blocks of 6 rows and 64 columns, and all sorts of rests."""


def numbers(rows: int, depth: int, columns: int) -> tuple[Array, Array, list[Array]]:
    """Draw rows, weights ``(columns, depth)``, correction, multiplier and bias."""
    rng = np.random.default_rng(rows * depth * columns)
    weights = rng.integers(-127, 128, (columns, depth), dtype=np.int8)
    correction = -117 * weights.sum(axis=1, dtype=np.int32)
    rest = [correction, rng.random(columns, dtype=np.float32) / 1000, rng.standard_normal(columns, dtype=np.float32)]
    return rng.integers(0, 256, (rows, depth), dtype=np.uint8), weights, rest


def expected(rows: Array, weights: Array, rest: list[Array]) -> Array:
    sums = rows.astype(np.int64) @ weights.T.astype(np.int64) + rest[0]
    found: Array = sums * rest[1].astype(np.float64) + rest[2]
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_exact(shape: tuple[int, int, int]) -> None:
    rows, weights, rest = numbers(*shape)
    found = run(session("QuantisedProduct"), "QuantisedProduct", rows, packed(weights), *rest)[0]
    np.testing.assert_allclose(found, expected(rows, weights, rest), rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_gelu_and_quantising_follow_at_once(shape: tuple[int, int, int]) -> None:
    rows, weights, rest = numbers(*shape)
    found = run(session("ProductGeluQuantise"), "ProductGeluQuantise", rows, packed(weights), *rest, 0.05, 4)[0]
    assert_quantised(found, gelu(expected(rows, weights, rest)), 0.05, 4, 2e-5)


def test_the_largest_products_do_not_saturate() -> None:
    rows, weights = np.full((1, 4096), 255, np.uint8), np.full((16, 4096), -127, np.int8)
    rest = [np.zeros(16), np.ones(16), np.zeros(16)]
    found = run(session("QuantisedProduct"), "QuantisedProduct", rows, packed(weights), *rest)[0]
    assert (found == -255 * 127 * 4096).all()


def test_other_dimensions_pass_by() -> None:
    rows, weights, rest = numbers(6, 8, 20)
    given = session("QuantisedProduct"), "QuantisedProduct"
    flat = run(*given, rows, packed(weights), *rest)[0]
    assert run(*given, rows.reshape(2, 3, 8), packed(weights), *rest)[0].tobytes() == flat.tobytes()
    assert run(*given, rows[:0].reshape(0, 3, 8), packed(weights), *rest)[0].shape == (0, 3, 20)


@given(
    st.integers(1, 40), st.integers(0, 39), st.integers(1, 15), st.sampled_from([4, 5, 96]), st.sampled_from([16, 81])
)
def test_a_row_does_not_depend_on_its_company(count: int, start: int, length: int, depth: int, columns: int) -> None:
    rows, weights, rest = numbers(count, depth, columns)
    for operator, more in (("QuantisedProduct", []), ("ProductGeluQuantise", [0.02, 9])):
        given = session(operator), operator
        whole = run(*given, rows, packed(weights), *rest, *more)[0]
        part = run(*given, rows[start : start + length], packed(weights), *rest, *more)[0]
        assert part.tobytes() == whole[start : start + length].tobytes()


def test_threads_share_a_session() -> None:
    rows, weights, rest = numbers(64, 96, 80)
    one = session("QuantisedProduct")

    def bits(_: int) -> bytes:
        return run(one, "QuantisedProduct", rows, packed(weights), *rest)[0].tobytes()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(bits, range(40)))) == 1


def activated(x: object, scale: float, zero: int) -> Array:
    """Return the GELU of numbers, which are the biases of products of zeros."""
    bias = np.asarray(x, np.float32)
    weights, nothing = np.zeros((len(bias), 1), np.int8), np.zeros(len(bias))
    inputs = [np.zeros((1, 1)), packed(weights), nothing, nothing, bias, scale, zero]
    found: Array = run(session("ProductGeluQuantise"), "ProductGeluQuantise", *inputs)[0][0]
    return found


def test_the_whole_curve_in_fine_steps() -> None:
    x = np.linspace(-9, 9, 100_001).astype(np.float32)
    for zero in (20, 128):
        assert_quantised(activated(x, 1e-3, zero), gelu(x), 1e-3, zero, 1e-5)
    assert_quantised(activated(x, 1e-5, 200), gelu(x), 1e-5, 200, 1e-5)


def test_it_saturates_at_both_ends() -> None:
    x = [-3e38, -1e9, -4.9, -1e-30, -0.0, 1e-30, 1, 3e38]
    assert activated(x, 1e-12, 7).tolist() == [7, 7, 7, 7, 7, 7, 255, 255]
    assert activated([-0.75, 1.0], 1e-30, 128).tolist() == [0, 255]


def test_halves_go_to_even() -> None:
    x = np.array([64.5, 65.5, 66.5, 67.5], np.float32)
    assert activated(x, 1, 1).tolist() == quantise(x, 1, 1).tolist() == [65, 67, 67, 69]


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [
        (0, np.zeros((2, 9)), "the weights do not fit"),
        (0, np.zeros((2, 0)), "a row must have values"),
        (0, np.uint8(1), "a row must have values"),
        (2, np.zeros(19), "a value for each column"),
        (3, np.zeros(21), "a value for each column"),
        (4, np.zeros(40), "a value for each column"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changed: int, value: object, message: str) -> None:
    rows, weights, rest = numbers(2, 8, 20)
    inputs: list[object] = [rows, packed(weights), *rest]
    inputs[changed] = value
    with pytest.raises(Exception, match=message):
        run(session("QuantisedProduct"), "QuantisedProduct", *inputs)


@pytest.mark.parametrize(("scale", "zero"), [([0.1, 0.1], 0), (0.1, [0, 0]), ([], 0)])
def test_a_scale_of_another_shape_is_refused(scale: object, zero: object) -> None:
    rows, weights, rest = numbers(1, 1, 1)
    with pytest.raises(Exception, match="must be one value each"):
        run(session("ProductGeluQuantise"), "ProductGeluQuantise", rows, packed(weights), *rest, scale, zero)
