from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.export.int8.calibrate import ChannelRange
from embed_plugin.export.int8.uint8_range import LARGEST_UINT8, MOST_COPIES, Uint8Range, choose_range

if TYPE_CHECKING:
    import numpy.typing as npt

values = st.floats(-50, 50, width=32)


def seen(low: npt.NDArray[Any], high: npt.NDArray[Any], power: float = 1e-6) -> ChannelRange:
    """A calibrated range, with so little power that no range is quiet."""
    return ChannelRange(low.astype(np.float32), high.astype(np.float32), power)


def read_back(found: Uint8Range, row: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A row of values as the int8 product reads it: each channel and its copies, added up."""

    def rounded(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        steps = np.clip(np.rint(x / found.scale) + found.zero, 0, LARGEST_UINT8)
        return np.asarray((steps - found.zero) * found.scale)

    seen = rounded(row)
    np.add.at(seen, found.channels, rounded(row[found.channels] - found.offsets) - found.idle)
    return seen


@given(st.lists(st.tuples(values, values), min_size=1, max_size=12), st.floats(0, 1))
def test_all_that_calibration_saw_is_read_back_to_half_a_step(ends: list[tuple[float, float]], share: float) -> None:
    low, high = np.array([min(pair) for pair in ends]), np.array([max(pair) for pair in ends])
    found = choose_range(seen(low, high))
    row = low + share * (high - low)
    assert len(found.copies) <= MOST_COPIES
    assert 0 <= found.zero <= LARGEST_UINT8
    # the zero point is rounded too, which moves both ends by up to half a step, and each copy's start with them
    np.testing.assert_allclose(read_back(found, row), row, atol=found.scale * 1.01 + 1e-5)


def test_an_outlier_channel_no_longer_sets_the_steps_of_all() -> None:
    low, high = np.full(100, -2, np.float32), np.full(100, 3, np.float32)
    high[7] = 22.5
    found = choose_range(seen(low, high))
    assert found.scale == pytest.approx(5 / LARGEST_UINT8)
    assert found.copies == ((7, 1), (7, 2), (7, 3), (7, 4))


def test_an_outlier_beyond_all_copies_makes_the_range_wider() -> None:
    low, high = np.full(100, -2, np.float32), np.full(100, 3, np.float32)
    low[9] = -60
    found = choose_range(seen(low, high))
    assert found.scale == pytest.approx(63 / 5 / LARGEST_UINT8)
    assert found.copies == ((9, -1), (9, -2), (9, -3), (9, -4))


def test_channels_that_are_alike_get_no_copies() -> None:
    rng = np.random.default_rng(3)
    found = choose_range(seen(-rng.uniform(3, 4, 64), rng.uniform(3, 4, 64)))
    assert found.copies == ()


def test_an_activation_that_is_always_zero_has_a_range() -> None:
    found = choose_range(seen(np.zeros(8), np.zeros(8)))
    assert found.scale > 0
    assert found.copies == ()


def test_a_range_whose_rounding_is_quiet_gets_no_copies() -> None:
    low, high = np.full(100, -2), np.full(100, 3)
    high[7] = 8
    assert choose_range(seen(low, high, power=4.0)).copies == ()
    assert choose_range(seen(low, high, power=0.1)).copies == ((7, 1),)
