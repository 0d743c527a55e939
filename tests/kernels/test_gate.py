from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.export.int8.kernel_graph import packed
from kernels.test_product import SHAPES, expected, numbers
from support.one_operator import Rows, assert_quantised, gelu, on_each_set, quantise, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
OPERATOR = "ProductGateQuantise"


def gelu_tanh(x: Array) -> Array:
    x = x.astype(np.float64)
    found: Array = x / (1 + np.exp(np.minimum(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3), 700)))
    return found


def silu(x: Array) -> Array:
    x = x.astype(np.float64)
    found: Array = x / (1 + np.exp(np.minimum(-x, 700)))
    return found


def relu(x: Array) -> Array:
    return np.maximum(x.astype(np.float64), 0)


ACTIVATIONS: list[Callable[[Array], Array]] = [gelu, gelu_tanh, silu, relu]
EACH = pytest.mark.parametrize("activation", range(4))


def gated(inputs: Sequence[object], activation: int, kept: Sequence[int] = (), *, gate: bool = True) -> Rows:
    made = session(OPERATOR, attributes={"activation": activation, "gated": int(gate)})
    return Rows(*run(made, OPERATOR, *inputs, kept))


def of_bias(x: Array, activation: int, values: Array | None = None, kept: Sequence[int] = ()) -> Rows:
    """Return the activation of numbers, which are the biases of products of zeros."""
    bias = x if values is None else np.concatenate([values, x])
    nothing = np.zeros(len(bias))
    weights = packed(np.zeros((len(bias), 1), np.int8))
    inputs: list[object] = [np.zeros((1, 1)), np.zeros((1, 2)), weights, nothing, nothing, nothing, bias]
    return gated(inputs, activation, kept, gate=values is not None)


@EACH
@pytest.mark.parametrize("shape", SHAPES)
def test_activation_and_quantising_follow_at_once(shape: tuple[int, int, int], activation: int) -> None:
    inputs = numbers(*shape)
    y = ACTIVATIONS[activation](expected(inputs))
    assert_quantised(gated(inputs, activation, gate=False), y, 1e-5 + 1e-5 * np.abs(y).max())


@EACH
@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_multiplied_by_their_gates(shape: tuple[int, int, int], activation: int) -> None:
    inputs = numbers(*shape[:2], 2 * shape[2])
    value, gate = np.split(expected(inputs), 2, axis=1)
    y = value * ACTIVATIONS[activation](gate)
    kept = [0] if shape[2] > 1 else []
    assert_quantised(gated(inputs, activation, kept), y, 2e-5 + 2e-5 * np.abs(y).max(), kept)


@EACH
def test_more_rows_than_are_gated_together(activation: int) -> None:
    inputs = numbers(301, 8, 1536)
    value, gate = np.split(expected(inputs), 2, axis=1)
    y = value * ACTIVATIONS[activation](gate)
    assert_quantised(gated(inputs, activation), y, 1e-5 + 1e-5 * np.abs(y).max())


@EACH
def test_the_whole_curve_in_fine_steps(activation: int) -> None:
    """To 1e-6 of its value, but for what is nearly 0, below -3.5, whose value others drown."""
    x = np.linspace(-3.5, 30, 30_001).astype(np.float32)
    found = of_bias(x, activation, kept=range(len(x))).terms[0, 2:]
    np.testing.assert_allclose(found, ACTIVATIONS[activation](x), rtol=1e-6)
    below = np.linspace(-100, -3.5, 30_001).astype(np.float32)
    found = of_bias(below, activation, kept=range(len(below))).terms[0, 2:]
    np.testing.assert_allclose(found, ACTIVATIONS[activation](below), rtol=3e-5, atol=3e-9)


@EACH
def test_the_curve_beyond_its_ends(activation: int) -> None:
    x = np.array([-3e38, -1e9, -100, -0.0, 1e9, 3e38], np.float32)
    found = of_bias(x, activation, kept=range(6)).terms[0, 2:]
    np.testing.assert_allclose(found, [0, 0, 0, 0, *x[4:]], rtol=1e-6, atol=10)


@EACH
def test_the_quantised_product_is_that_of_its_values(activation: int) -> None:
    x, values = np.linspace(-3, 5, 100).astype(np.float32), np.linspace(9, -7, 100).astype(np.float32)
    exact = of_bias(x, activation, values, kept=range(100)).terms[0, 2:]
    alone = of_bias(x, activation, kept=range(100)).terms[0, 2:]
    assert exact.tobytes() == (alone * values).tobytes()
    found, same = of_bias(x, activation, values), quantise(exact)
    assert found.terms.tobytes() == same.terms.tobytes()
    assert (ranged(found.bytes, []) == same.bytes).all()


@given(st.integers(1, 40), st.integers(0, 39), st.integers(1, 15), st.sampled_from([4, 96]), st.sampled_from([16, 162]))
def test_a_row_does_not_depend_on_its_company(count: int, start: int, length: int, depth: int, columns: int) -> None:
    rows, terms, *rest = numbers(count, depth, columns)
    part = slice(start, start + length)
    whole, alone = gated([rows, terms, *rest], 2, [3]), gated([rows[part], terms[part], *rest], 2, [3])
    assert alone.bytes.tobytes() == whole.bytes[part].tobytes()
    assert alone.terms.tobytes() == whole.terms[part].tobytes()


def test_values_without_as_many_gates_are_refused() -> None:
    with pytest.raises(Exception, match="as many gates as values"):
        gated(numbers(2, 8, 21), 0)


@pytest.mark.parametrize(("gate", "channel"), [(True, 10), (False, 20)])
def test_a_kept_channel_beyond_the_values_is_refused(gate: bool, channel: int) -> None:  # noqa: FBT001 - a value that varies
    with pytest.raises(Exception, match="outside of its row"):
        gated(numbers(2, 8, 20), 0, [channel], gate=gate)
