"""A slowdown told from noise: two series of times, measured in turns, round by round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """Time of the second revision over the first's: median of the rounds' ratios, and its 95 % interval."""

    ratio: float
    low: float
    high: float
    least: float
    most: float

    def is_slower_than(self, limit: float) -> bool:
        """True if it takes more than ``limit`` times as long and the interval excludes that it is as fast."""
        return self.ratio > limit and self.low > 1


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare round by round; the interval is a percentile bootstrap over the rounds."""
    ratios = np.array(second) / np.array(first)
    drawn = np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Comparison(float(np.median(ratios)), float(low), float(high), float(ratios.min()), float(ratios.max()))
