from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from support.one_operator import Rows, assert_quantised, on_each_set, quantise, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
OPERATOR = "QuantiseRows"
WIDTHS = [1, 2, 15, 16, 17, 31, 32, 33, 384, 1536]


def quantised(x: object, kept: Sequence[int] = ()) -> Rows:
    return Rows(*run(session(OPERATOR), OPERATOR, x, kept))


def numbers(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kept", [[], [0], [-1, 0]])
def test_rows_of_any_width(width: int, kept: list[int]) -> None:
    x = numbers(7, width) * np.array([[1e-4], [1], [3], [1e6], [1], [0], [-1]], np.float32)
    kept = sorted({channel % width for channel in kept})
    found, expected = quantised(x, kept), quantise(x, kept)
    assert found.terms.tobytes() == expected.terms.tobytes()
    assert (ranged(found.bytes, kept) == ranged(expected.bytes, kept)).all()
    assert_quantised(found, x, 0, kept)


@given(
    arrays.arrays(
        np.float32, st.tuples(st.just(3), st.integers(1, 40)), elements=st.floats(-(2.0**99), 2.0**99, width=32)
    )
)
def test_any_numbers(x: Array) -> None:
    found, expected = quantised(x), quantise(x)
    assert found.terms.tobytes() == expected.terms.tobytes()
    assert (found.bytes == expected.bytes).all()


def test_kept_channels_widen_no_range() -> None:
    x = numbers(2, 50)
    plain = quantised(x)
    x[:, 7] = 1e6
    kept = quantised(x, [7])
    assert (kept.terms[:, 0] <= plain.terms[:, 0]).all()
    assert (kept.terms[:, 2] == np.float32(1e6)).all()


@pytest.mark.parametrize(
    ("row", "steps"), [([1.0, 2.0], [127.5, 255]), ([-1.0, -2.0], [127.5, 0]), ([-1.0, 1.0], [0, 255])]
)
def test_a_range_holds_zero(row: list[float], steps: list[float]) -> None:
    assert np.abs(quantised([row]).bytes[0] - np.array(steps)).max() <= 1


def test_a_row_of_zeros() -> None:
    found = quantised(np.zeros((1, 20)))
    assert (found.bytes == 0).all()
    assert found.terms.tolist() == [[np.float32(1e-30), np.float32(1e-30) * 128]]


def test_infinity_gives_no_finite_terms() -> None:
    found = quantised([[1.0, np.inf], [1.0, 2.0]])
    assert not np.isfinite(found.terms[0]).all()
    assert np.isfinite(found.terms[1]).all()


def test_a_row_does_not_depend_on_the_others() -> None:
    x = numbers(3, 5, 384)
    whole = quantised(x, [3, 99])
    one = quantised(x[1, 2], [3, 99])
    assert one.bytes.tobytes() == whole.bytes[1, 2].tobytes()
    assert one.terms.tobytes() == whole.terms[1, 2].tobytes()


def test_no_rows() -> None:
    found = quantised(np.zeros((0, 5)), [1])
    assert found.bytes.shape == (0, 5)
    assert found.terms.shape == (0, 3)


@pytest.mark.parametrize(
    ("x", "kept", "message"),
    [
        (np.zeros((1, 8)), [8], "outside of its row"),
        (np.zeros((1, 8)), [-1], "outside of its row"),
        (np.float32(1), [], "must have values"),
        (np.zeros((1, 0)), [], "1 to 32768 values"),
        (np.zeros((1, 32769)), [], "1 to 32768 values"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x: Array, kept: list[int], message: str) -> None:
    with pytest.raises(Exception, match=message):
        quantised(x, kept)
