"""The fused multiplication and addition in software (``isa/fused.h``) rounds once, as the instruction does."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.test_other_cpus import BUILD, KERNELS

if TYPE_CHECKING:
    from collections.abc import Callable

    Fused = Callable[[float, float, float], float]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="not installed: cc")
SOURCE = """
#include "isa/fused.h"
float fused(float a, float b, float c) { return fused_multiply_add(a, b, c); }
"""
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
some = st.floats(1, 2, width=32)
LARGEST = Fraction(2**24 - 1, 2**24) * 2**128


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Fused:
    folder = tmp_path_factory.mktemp("fused")
    (folder / "fused.c").write_text(SOURCE)
    command = ["cc", *BUILD["FLAGS"], "-Werror", "-fvisibility=default", "-fPIC", "-shared", "-I", str(KERNELS)]
    library = folder / "fused.so"
    subprocess.run([*command, str(folder / "fused.c"), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).fused
    function.argtypes, function.restype = [ctypes.c_float] * 3, ctypes.c_float
    found: Fused = function
    return found


def exponent_of(x: Fraction) -> int:
    """Return the whole part of the logarithm to base 2, exactly."""
    power = x.numerator.bit_length() - x.denominator.bit_length()
    return power if Fraction(2) ** power <= x else power - 1


def rounded_once(a: float, b: float, c: float) -> float:
    """Round the exact value to the nearest float, of two to the even one."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return 0.0
    power = max(exponent_of(abs(exact)), -126)
    step = Fraction(2) ** (power - 23)
    found = round(exact / step) * step
    return math.copysign(math.inf, found) if abs(found) > LARGEST else float(found)


@given(floats, floats, floats)
def test_any_numbers(fused: Fused, a: float, b: float, c: float) -> None:
    assert fused(a, b, c) == rounded_once(a, b, c)


@given(some, some, st.integers(-90, 3), st.sampled_from([-1, 1]), some)
def test_sums_next_to_the_middle_of_two_floats(
    fused: Fused, a: float, b: float, power: int, sign: int, last: float
) -> None:
    """The product's last bits decide, or those of a summand far below them."""
    c = float(np.float32(sign * math.ldexp(last, power)))
    assert fused(a, b, c) == rounded_once(a, b, c)


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_two_roundings_get_wrong(fused: Fused, sign: int) -> None:
    """1 + 2^-11 + 2^-24 lies in the middle of two floats, and 2^-80 is lost where a double is rounded first."""
    a, c = 1 + 2.0**-12, sign * 2.0**-80
    assert fused(a, a, c) == 1 + 2.0**-11 + (2.0**-23 if sign > 0 else 0)
    assert np.float32(np.float64(a) * a + c) == 1 + 2.0**-11


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_stays_so(fused: Fused, at: int, value: float) -> None:
    numbers = [2.0, 3.0, 4.0]
    numbers[at] = value
    assert fused(*numbers) == value or (math.isnan(value) and math.isnan(fused(*numbers)))


def test_infinities_that_cancel_are_no_number(fused: Fused) -> None:
    assert math.isnan(fused(math.inf, 1, -math.inf))
    assert math.isnan(fused(math.inf, 0, 1))
