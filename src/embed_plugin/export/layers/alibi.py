"""ALiBi: each head takes away from a score in proportion to the distance of key and query.

Press et al., "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation", 2021; in an
encoder the distance counts in both directions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def alibi(heads: int, positions: int) -> npt.NDArray[np.float32]:
    """The bias by distance ``(heads, 2 * positions - 1)``, as :class:`.attention.Attention` reads it."""
    distances = np.abs(np.arange(1 - positions, positions))
    return (-slopes(heads)[:, None] * distances).astype(np.float32)


def slopes(heads: int) -> npt.NDArray[np.float64]:
    """The slope of each head: ``2 ** (-8 i / heads)`` for ``i`` from 1 on.

    A number of heads that is no power of two has the slopes of the power below it, and then every other one of the
    power above it.
    """
    power = 2 ** int(math.log2(heads))
    first = np.asarray(np.exp2(-8 * np.arange(1, power + 1) / power))
    if power == heads:
        return first
    return np.concatenate([first, slopes(2 * power)[::2][: heads - power]])
