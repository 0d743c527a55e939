"""Mean, quantile and least of any number of cosines, in memory that does not grow."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BINS_A_DECADE = 200
_NEAREST, _FARTHEST = 1e-8, 2.0
_EDGES = np.geomspace(_NEAREST, _FARTHEST, int(BINS_A_DECADE * math.log10(_FARTHEST / _NEAREST)) + 1)


class CosineCounts:
    """Counts of cosines by their distance to 1, in bins that are 1.2 % wide."""

    def __init__(self) -> None:
        self.count, self.sum, self.least = 0, 0.0, 1.0
        self._bins = np.zeros(len(_EDGES) + 1, np.int64)

    def add(self, cosines: npt.NDArray[np.float64]) -> None:
        """Add cosines ``(n,)``."""
        self.count += len(cosines)
        self.sum += float(cosines.sum())
        self.least = min(self.least, float(cosines.min(initial=1.0)))
        self._bins += np.bincount(np.searchsorted(_EDGES, 1 - cosines), minlength=len(self._bins))

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.sum / max(1, self.count)

    def quantile(self, part: float) -> float:
        """The cosine that this part of them is below; exact to 1.2 % of its distance to 1."""
        above = np.cumsum(self._bins[::-1])  # from the farthest
        at = int(np.searchsorted(above, max(1, math.ceil(part * self.count))))
        return max(self.least, 1 - float(_EDGES[max(0, len(self._bins) - 2 - at)]))
