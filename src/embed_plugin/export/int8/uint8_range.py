"""Choose the uint8 range of an activation, and copy the few channels that leave it.

Some channels of a text encoder reach values many times those of all others, on one or two tokens of a text: in
all-MiniLM-L6-v2 channel 99 reaches 28 before the feed-forward part, the median channel 2. A range that holds them
leaves the others a fraction of the 256 steps; a range that cuts them off loses their values. So the range is chosen
without them, and an outlier channel is multiplied more than once: each copy continues where the one before saturates,
``x = saturated(x) + saturated(x - width) + ...``, and every copy meets the same row of the weight. Zhao et al.,
"Improving Neural Network Quantization without Retraining using Outlier Channel Splitting" (2019), split such channels
into halves; copies that saturate need no weight changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from embed_plugin.export.int8.calibrate import ChannelRange

LARGEST_UINT8 = 255
MOST_COPIES = 4
"""Most copies of one activation, all channels together: the int8 kernels read rows of the weight in fours."""

WORTH_COPYING = 2 / 3
"""Copies cost time, so they are made only when they bring the range to this part of its width, or less."""

WORTH_ONE_MORE = 0.98
"""The same for each single copy."""

QUIET = 6e-4
"""Power of the rounding against that of the values below which a range needs no copies. all-MiniLM-L6-v2's first two
inputs of queries, keys and values stand at 4e-4 and 6e-4 and lose nothing measurable, the others at up to 5e-3."""

SLACK = 1e-6
"""Part of a range that a channel may exceed its last copy by: it is rounding, not a value."""


@dataclass(frozen=True)
class Uint8Range:
    """``x ~ (uint8 - zero) * scale`` for every channel of an activation.

    Attributes:
        scale: Width of one step.
        zero: The step that means 0.0.
        copies: ``(channel, nth)`` of each copy: the n-th range above (or, negative, below) the first.
    """

    scale: float
    zero: int
    copies: tuple[tuple[int, int], ...] = ()

    @property
    def channels(self) -> list[int]:
        """The channel of each copy."""
        return [channel for channel, _ in self.copies]

    @property
    def high(self) -> float:
        """The largest value that does not saturate."""
        return (LARGEST_UINT8 - self.zero) * self.scale

    @property
    def offsets(self) -> npt.NDArray[np.float32]:
        """The offset subtracted from a channel's value before a copy of it is quantised: whole widths."""
        return np.array([nth * LARGEST_UINT8 * self.scale for _, nth in self.copies], dtype=np.float32)

    @property
    def offsets_before_rectifier(self) -> npt.NDArray[np.float32]:
        """The same for copies made before a GELU or ReLU, which stand at 0.0, not at the lower end, when idle."""
        return np.array([nth * self.high for _, nth in self.copies], dtype=np.float32)

    @property
    def idle(self) -> npt.NDArray[np.float64]:
        """The value of a copy that its channel does not reach: the lower end, or the upper end of one below."""
        return np.array([((0 if nth > 0 else LARGEST_UINT8) - self.zero) * self.scale for _, nth in self.copies])


def choose_range(channels: ChannelRange) -> Uint8Range:
    """Choose the narrowest range that covers the calibrated one with at most ``MOST_COPIES`` copies."""
    low, high = np.minimum(channels.low, 0.0), np.maximum(channels.high, 0.0)
    plain = _range(float(low.min()), float(high.max()), ())
    if plain.scale**2 / 12 <= QUIET * channels.power:  # an error spread evenly over a step has the power step ** 2 / 12
        return plain
    possible = [found for ends in _candidates(low, high) if (found := _with_copies(low, high, *ends)) is not None]
    narrowest = min(possible, key=lambda found: found.scale * WORTH_ONE_MORE ** -len(found.copies), default=plain)
    return narrowest if narrowest.scale <= WORTH_COPYING * plain.scale else plain


def _candidates(low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]) -> Iterator[tuple[float, float]]:
    """Yield ranges that start or end with one channel's, and of which a whole number reaches another's other end."""
    lows, highs = np.sort(low)[: MOST_COPIES + 1], np.sort(high)[: -MOST_COPIES - 2 : -1]
    narrowest = float(high.max() - low.min()) / (MOST_COPIES + 1) * (1 - SLACK)
    for first, last, parts in product(map(float, lows), map(float, highs), range(1, MOST_COPIES + 2)):
        width = (last - first) / parts
        if width >= narrowest > 0:
            yield first, max(first + width, 0.0)
            yield min(last - width, 0.0), last


def _with_copies(
    low: npt.NDArray[np.float32], high: npt.NDArray[np.float32], first: float, last: float
) -> Uint8Range | None:
    """The range ``first..last`` with the copies it needs; None: they are too many."""
    width = last - first
    above, below = (np.ceil(np.maximum(over, 0) / width - SLACK).astype(int) for over in (high - last, first - low))
    if above.sum() + below.sum() > MOST_COPIES:
        return None
    copies = [(int(channel), nth) for channel in np.flatnonzero(above) for nth in range(1, above[channel] + 1)]
    copies += [(int(channel), -nth) for channel in np.flatnonzero(below) for nth in range(1, below[channel] + 1)]
    return _range(first, last, tuple(copies))


def _range(low: float, high: float, copies: tuple[tuple[int, int], ...]) -> Uint8Range:
    scale = max(high - low, float(np.finfo(np.float32).tiny)) / LARGEST_UINT8
    return Uint8Range(scale, round(-low / scale), copies)
