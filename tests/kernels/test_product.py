from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.export.int8.kernel_graph import packed
from support.one_operator import CENTRE, Rows, assert_quantised, gelu, on_each_set, quantise, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set

SHAPES = [(1, 1, 1), (1, 4, 16), (2, 5, 17), (6, 384, 64), (7, 388, 33), (13, 32, 130), (50, 1540, 384), (3, 2, 1540)]
"""Rows, depth, columns: whole blocks of 6 rows and 64 columns, and all sorts of rests."""


def numbers(rows: int, depth: int, columns: int, kept: int = 2) -> list[Array]:
    """Draw the inputs of a product, its weights ``(columns, depth)``."""
    rng = np.random.default_rng(rows * depth * columns)
    weights = rng.integers(-127, 128, (columns, depth), dtype=np.int8)
    return [
        rng.integers(0, 256, (rows, depth), dtype=np.uint8),
        rng.standard_normal((rows, 2 + kept), dtype=np.float32),
        packed(weights),
        -CENTRE * weights.sum(axis=1, dtype=np.int32),
        rng.random(columns, dtype=np.float32) / 1000,
        rng.standard_normal((1 + kept, columns), dtype=np.float32),
        rng.standard_normal(columns, dtype=np.float32),
    ]


def unpacked(weights: Array, depth: int, columns: int) -> Array:
    panels = weights.reshape(len(weights), -1, 16, 4).transpose(0, 2, 1, 3)
    found: Array = panels.reshape(len(weights) * 16, -1)[:columns, :depth].astype(np.int64)
    return found


def expected(inputs: list[Array]) -> Array:
    rows, terms, weights, correction, multiplier, term_weights, bias = inputs
    sums = rows.astype(np.int64) @ unpacked(weights, rows.shape[1], len(bias)).T + correction
    exact = sums * multiplier.astype(np.float64) * terms[:, :1]
    found: Array = exact + terms[:, 1:].astype(np.float64) @ term_weights + bias
    return found


def product(inputs: list[Array]) -> Array:
    return run(session("QuantisedProduct"), "QuantisedProduct", *inputs)[0]


def activated(inputs: list[Array], kept: Sequence[int] = ()) -> Rows:
    return Rows(*run(session("ProductGeluQuantise"), "ProductGeluQuantise", *inputs, kept))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_products_are_exact(shape: tuple[int, int, int], kept: int) -> None:
    inputs = numbers(*shape, kept)
    np.testing.assert_allclose(product(inputs), expected(inputs), rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_gelu_and_quantising_follow_at_once(shape: tuple[int, int, int]) -> None:
    inputs = numbers(*shape)
    y = gelu(expected(inputs))
    kept = [0] if shape[2] > 1 else []
    assert_quantised(activated(inputs, kept), y, 1e-4 + 4e-5 * np.abs(y).max(), kept)


def test_more_rows_than_are_activated_together() -> None:
    inputs = numbers(301, 8, 1536)
    y = gelu(expected(inputs))
    assert_quantised(activated(inputs), y, 1e-4 + 4e-5 * np.abs(y).max())


def test_the_largest_products_do_not_saturate() -> None:
    rows, weights = np.full((1, 4096), 255, np.uint8), np.full((16, 4096), -127, np.int8)
    nothing = np.zeros((1, 16))
    found = product([rows, np.array([[1, 0]]), packed(weights), nothing, np.ones(16), nothing, np.zeros(16)])
    assert (found == -255 * 127 * 4096).all()


def test_steps_follow_one_another_as_documented() -> None:
    """The order is part of the result: bias, middle, kept values, and the product last, each with one rounding."""
    inputs = numbers(3, 96, 20, 2)
    rows, terms, weights, correction, multiplier, term_weights, bias = inputs
    sums = rows.astype(np.int64) @ unpacked(weights, 96, 20).T + correction
    y = np.broadcast_to(bias, sums.shape).astype(np.float32)
    for i in range(3):
        y = (terms[:, 1 + i, None].astype(np.float64) * term_weights[i] + y).astype(np.float32)
    exact = sums.astype(np.float32) * multiplier
    y = (exact.astype(np.float64) * terms[:, :1] + y).astype(np.float32)
    assert product(inputs).tobytes() == y.tobytes()


def test_other_dimensions_pass_by() -> None:
    rows, terms, *rest = numbers(6, 8, 20)
    flat = product([rows, terms, *rest])
    assert product([rows.reshape(2, 3, 8), terms.reshape(2, 3, 4), *rest]).tobytes() == flat.tobytes()
    assert product([rows[:0].reshape(0, 3, 8), terms[:0].reshape(0, 3, 4), *rest]).shape == (0, 3, 20)
    assert activated([rows[:0].reshape(0, 3, 8), terms[:0].reshape(0, 3, 4), *rest]).terms.shape == (0, 3, 2)


@given(
    st.integers(1, 40), st.integers(0, 39), st.integers(1, 15), st.sampled_from([4, 5, 96]), st.sampled_from([16, 81])
)
def test_a_row_does_not_depend_on_its_company(count: int, start: int, length: int, depth: int, columns: int) -> None:
    rows, terms, *rest = numbers(count, depth, columns)
    part = slice(start, start + length)
    some = [rows[part], terms[part], *rest]
    assert product(some).tobytes() == product([rows, terms, *rest])[part].tobytes()
    whole, alone = activated([rows, terms, *rest], [3]), activated(some, [3])
    assert alone.bytes.tobytes() == whole.bytes[part].tobytes()
    assert alone.terms.tobytes() == whole.terms[part].tobytes()


def test_threads_share_a_session() -> None:
    inputs = numbers(64, 96, 80)
    one = session("ProductGeluQuantise")

    def bits(_: int) -> bytes:
        return run(one, "ProductGeluQuantise", *inputs, [])[0].tobytes()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(bits, range(40)))) == 1


def of_bias(x: object, kept: Sequence[int] = ()) -> Rows:
    """Return the GELU of numbers, which are the biases of products of zeros."""
    bias = np.asarray(x, np.float32)
    nothing = np.zeros(len(bias))
    weights = packed(np.zeros((len(bias), 1), np.int8))
    return activated([np.zeros((1, 1)), np.zeros((1, 2)), weights, nothing, nothing, nothing, bias], kept)


def test_the_whole_curve_in_fine_steps() -> None:
    x = np.linspace(-9, 9, 30_001).astype(np.float32)
    kept = range(len(x))  # as they are, so that no step of a range is in the way
    y = gelu(x)
    assert np.abs(of_bias(x, kept).terms[0, 2:] - y).max() < 3e-4
    small = np.abs(x) < 4.2
    assert np.abs(of_bias(x, kept).terms[0, 2:] - y)[small].max() < 8e-5


def test_the_curve_beyond_its_ends() -> None:
    found = of_bias([-3e38, -1e9, -4.3, -0.0, 1e9, 3e38], range(6)).terms[0, 2:]
    np.testing.assert_allclose(found, [0, 0, 0, 0, 1e9, 3e38], rtol=4e-5)


def test_the_quantised_curve_is_that_of_its_values() -> None:
    x = np.linspace(-3, 5, 100).astype(np.float32)
    values = of_bias(x, range(100)).terms[0, 2:]
    found, same = of_bias(x), quantise(values)
    assert found.terms.tobytes() == same.terms.tobytes()
    assert (ranged(found.bytes, []) == same.bytes).all()


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [
        (0, np.zeros((2, 9)), "the weights do not fit"),
        (0, np.zeros((2, 0)), "a row must have 1 to 32768 values"),
        (0, np.uint8(1), "a row must have 1 to 32768 values"),
        (1, np.zeros((2, 3)), "a scale and a term"),
        (1, np.zeros((3, 4)), "a scale and a term"),
        (3, np.zeros(19), "a value for each column"),
        (4, np.zeros(21), "a value for each column"),
        (5, np.zeros((3, 19)), "a scale and a term"),
        (5, np.zeros((0, 20)), "a scale and a term"),
        (6, np.zeros(40), "a value for each column"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changed: int, value: object, message: str) -> None:
    inputs: list[Any] = [*numbers(2, 8, 20)]
    inputs[changed] = value
    with pytest.raises(Exception, match=message):
        product(inputs)


def test_a_kept_channel_beyond_the_columns_is_refused() -> None:
    with pytest.raises(Exception, match="outside of its row"):
        activated(numbers(2, 8, 20), [20])
