"""Norms of the root mean square, norms without a bias, and the norm behind a sum that is read later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.test_add_norm import WIDTHS, inputs
from support.one_operator import (
    Rows,
    assert_quantised,
    layer_norm,
    on_each_set,
    quantise,
    ranged,
    rms_norm,
    run,
    session,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
EPSILON = 1e-6
AFTER = "AddThenNormQuantise"


def after_sum(values: list[Array], kept: Sequence[int] = (), *, rms: bool = False) -> tuple[Array, Rows]:
    made = session(AFTER, attributes={"epsilon": EPSILON, "rms": int(rms)})
    total, *rows = run(made, AFTER, *values, kept)
    return total, Rows(*rows)


def normed(values: list[Array], *, rms: bool) -> Array:
    made = session("NormRows", attributes={"epsilon": EPSILON, "rms": int(rms)})
    return run(made, "NormRows", *values)[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_rms_norms_subtract_no_mean(width: int) -> None:
    x, _, gamma, beta = inputs((5, width))
    x += 3
    np.testing.assert_allclose(normed([x, gamma, beta], rms=True), rms_norm(x, gamma, EPSILON) + beta, atol=2e-5)
    np.testing.assert_allclose(normed([x, gamma, beta[:0]], rms=True), rms_norm(x, gamma, EPSILON), atol=2e-5)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_norm_without_a_bias_adds_none(width: int) -> None:
    x, _, gamma, beta = inputs((5, width))
    expected = layer_norm(x, gamma, np.zeros_like(beta), EPSILON)
    np.testing.assert_allclose(normed([x, gamma, beta[:0]], rms=False), expected, atol=2e-5)


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_sum_is_kept_and_its_norm_quantised(width: int, biased: bool, rms: bool) -> None:  # noqa: FBT001 - a value that varies
    a, b, gamma, beta = inputs((2, 3, width))
    beta = beta if biased else beta[:0]
    kept = sorted({0, width // 2, width - 1})
    total, found = after_sum([a, b, gamma, beta], kept, rms=rms)
    assert total.tobytes() == (a + b).tobytes()
    same = quantise(normed([total, gamma, beta], rms=rms), kept)
    assert found.terms.tobytes() == same.terms.tobytes()
    assert (ranged(found.bytes, kept) == ranged(same.bytes, kept)).all()


def test_a_residual_norm_may_be_rms_too() -> None:
    a, b, gamma, beta = inputs((4, 100))
    made = session("AddNormQuantise", attributes={"epsilon": EPSILON, "rms": 1})
    y, *rows = run(made, "AddNormQuantise", a, b, gamma, beta[:0], [])
    np.testing.assert_allclose(y, rms_norm(a + b, gamma, EPSILON), atol=2e-5)
    assert_quantised(Rows(*rows), y, 0)


@pytest.mark.parametrize("factor", [1e-15, 1e-3, 1e3, 1e15])
def test_large_and_tiny_values(factor: float) -> None:
    x, _, gamma, beta = inputs((5, 384))
    expected = rms_norm(x.astype(np.float64) * factor, gamma, EPSILON)
    np.testing.assert_allclose(normed([x * np.float32(factor), gamma, beta[:0]], rms=True), expected, atol=2e-5)


def test_no_rows() -> None:
    total, found = after_sum(inputs((0, 5)), [1])
    assert total.shape == (0, 5)
    assert found.terms.shape == (0, 3)


@given(st.integers(0, 30), st.integers(1, 12), st.sampled_from(WIDTHS))
def test_a_row_does_not_depend_on_the_others(start: int, count: int, width: int) -> None:
    a, b, gamma, beta = values = inputs((40, width), seed=count)
    total, rows = after_sum(values, [0], rms=True)
    part = slice(start, start + count)
    some_total, some = after_sum([a[part], b[part], gamma, beta], [0], rms=True)
    assert some_total.tobytes() == total[part].tobytes()
    assert some.bytes.tobytes() == rows.bytes[part].tobytes()
    assert some.terms.tobytes() == rows.terms[part].tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: np.zeros((2, 9))}, "of one shape"),
        ({2: np.zeros(7)}, "gamma and beta"),
        ({2: np.zeros(0)}, "gamma and beta"),
        ({3: np.zeros(9)}, "gamma and beta"),
        ({4: [8]}, "outside of its row"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[int, object], message: str) -> None:
    given: list[object] = [*inputs((2, 8)), []]
    for place, value in change.items():
        given[place] = value
    with pytest.raises(Exception, match=message):
        run(session(AFTER, "epsilon", EPSILON), AFTER, *given)
