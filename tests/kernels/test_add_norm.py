from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.one_operator import Rows, assert_quantised, layer_norm, on_each_set, quantise, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
WIDTHS = [1, 2, 15, 16, 17, 63, 64, 65, 384, 1540]


def inputs(shape: tuple[int, ...], seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    sizes: list[Any] = [shape, shape, shape[-1:], shape[-1:]]
    return [random.normal(size=size).astype(np.float32) for size in sizes]


def normed(values: list[Array], kept: Sequence[int] = ()) -> tuple[Array, Rows]:
    operator = "AddNormQuantise"
    y, *rows = run(session(operator, "epsilon", 1e-12), operator, *values, kept)
    return y, Rows(*rows)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [(), (1,), (7,), (2, 3)])
def test_norm_of_any_width(rows: tuple[int, ...], width: int) -> None:
    a, b, gamma, beta = values = inputs((*rows, width))
    y, found = normed(values)
    np.testing.assert_allclose(y, layer_norm(a + b, gamma, beta, 1e-12), atol=2e-5)
    assert_quantised(found, y, 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_its_rows_are_those_of_its_values(width: int) -> None:
    kept = sorted({0, width // 2, width - 1})
    y, found = normed(inputs((3, 2, width)), kept)
    same = quantise(y, kept)
    assert found.terms.tobytes() == same.terms.tobytes()
    assert (ranged(found.bytes, kept) == ranged(same.bytes, kept)).all()


@pytest.mark.parametrize("factor", [1e-15, 1e-3, 1e3, 1e15])
def test_large_and_tiny_values(factor: float) -> None:
    a, b, gamma, beta = inputs((5, 384))
    y, _ = normed([a * np.float32(factor), b * np.float32(factor), gamma, beta])
    expected = layer_norm((a + b).astype(np.float64) * factor, gamma, beta, 1e-12)
    np.testing.assert_allclose(y, expected, atol=2e-5)


def test_a_large_mean_cancels_nothing() -> None:
    a, b, gamma, beta = inputs((5, 384))
    a += 1000
    y, _ = normed([a, b, gamma, beta])
    np.testing.assert_allclose(y, layer_norm(a + b, gamma, beta, 1e-12), atol=1e-3)


def test_a_row_of_zeros_is_beta() -> None:
    _, _, gamma, beta = inputs((2, 100))
    y, _ = normed([np.zeros((2, 100)), np.zeros((2, 100)), gamma, beta])
    assert (y == beta).all()


def test_no_rows() -> None:
    y, found = normed(inputs((0, 5)), [1])
    assert y.shape == (0, 5)
    assert found.terms.shape == (0, 3)


@given(st.integers(0, 30), st.integers(1, 12), st.sampled_from(WIDTHS))
def test_a_row_does_not_depend_on_the_others(start: int, count: int, width: int) -> None:
    a, b, gamma, beta = values = inputs((40, width), seed=count)
    y, rows = normed(values, [0])
    part = slice(start, start + count)
    some_y, some = normed([a[part], b[part], gamma, beta], [0])
    assert some_y.tobytes() == y[part].tobytes()
    assert some.bytes.tobytes() == rows.bytes[part].tobytes()
    assert some.terms.tobytes() == rows.terms[part].tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: np.zeros((2, 9))}, "of one shape"),
        ({0: np.zeros(()), 1: np.zeros(())}, "of one shape"),
        ({2: np.zeros(7)}, "gamma and beta"),
        ({3: np.zeros(9)}, "gamma and beta"),
        ({4: [8]}, "outside of its row"),
        ({4: [-1]}, "outside of its row"),
        ({0: np.zeros([1] * 9), 1: np.zeros([1] * 9)}, "more than 8 dimensions"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[int, object], message: str) -> None:
    operator = "AddNormQuantise"
    given: list[object] = [*inputs((2, 8)), []]
    for place, value in change.items():
        given[place] = value
    with pytest.raises(Exception, match=message):
        run(session(operator, "epsilon", 1e-12), operator, *given)


def test_epsilon_must_be_there() -> None:
    with pytest.raises(Exception, match="epsilon"):
        session("AddNormQuantise")
