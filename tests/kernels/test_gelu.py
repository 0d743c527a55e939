from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.one_operator import assert_quantised, gelu, needs_library, quantise, run, session

if TYPE_CHECKING:
    import numpy.typing as npt

pytestmark = needs_library


def quantised(x: object, scale: float, zero: int) -> npt.NDArray[Any]:
    return run(session("GeluQuantise"), "GeluQuantise", x, scale, zero)[0]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (17,), (3, 31), (2, 5, 384), (2, 1540)])
def test_gelu_of_any_shape(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 3
    assert_quantised(quantised(x, 0.02, 9), gelu(x), 0.02, 9, 1e-5)


def test_the_whole_curve_in_fine_steps() -> None:
    x = np.linspace(-9, 9, 100_001).astype(np.float32)
    for zero in (20, 128):
        assert_quantised(quantised(x, 1e-3, zero), gelu(x), 1e-3, zero, 1e-5)
    assert_quantised(quantised(x, 1e-5, 200), gelu(x), 1e-5, 200, 1e-5)


def test_it_saturates_at_both_ends() -> None:
    x = [-np.inf, -3e38, -1e9, -4.9, -1e-30, -0.0, 1e-30, 1, 3e38, np.inf]
    assert quantised(x, 1e-12, 7).tolist() == [7, 7, 7, 7, 7, 7, 7, 255, 255, 255]
    assert quantised([-0.75, 1.0], 1e-30, 128).tolist() == [0, 255]


def test_halves_go_to_even() -> None:
    x = np.array([64.5, 65.5, 66.5, 67.5], np.float32)
    assert quantised(x, 1, 1).tolist() == quantise(x, 1, 1).tolist() == [65, 67, 67, 69]


@given(st.integers(1, 70), st.integers(0, 60), st.integers(1, 50))
def test_a_value_does_not_depend_on_its_place(count: int, start: int, length: int) -> None:
    x = np.random.default_rng(count).normal(size=120).astype(np.float32) * 2
    whole = quantised(x, 0.01, 20)
    assert (quantised(x[start : start + length], 0.01, 20) == whole[start : start + length]).all()


@pytest.mark.parametrize(("scale", "zero"), [([0.1, 0.1], 0), (0.1, [0, 0]), ([], 0)])
def test_a_scale_of_another_shape_is_refused(scale: object, zero: object) -> None:
    with pytest.raises(Exception, match="must be one value each"):
        run(session("GeluQuantise"), "GeluQuantise", [1.0], scale, zero)
