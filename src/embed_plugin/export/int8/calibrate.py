"""Measure the range of each quantised activation on the calibration texts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True)
class ChannelRange:
    """The range of one activation on the calibration texts.

    Attributes:
        low: The smallest value of each channel, float32 ``(channels,)``.
        high: The largest.
        power: The mean square of all values.
    """

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    power: float


Ranges = dict[str, ChannelRange]
"""The range of each activation, by name."""

RANGE_BITS = 6
"""Significant bits of a range's ends, so that an export has the same scales on every class of CPU, whose fp32 rounds
otherwise. ``benchmarks/run/calibration_ties.py`` has the chance that it has not: 1.5e-4 for all-MiniLM-L6-v2. Fewer
bits widen the ranges more; six by 1.1 % in the mean."""


def measure_ranges(
    graph: Path,
    activations: Sequence[str],
    inputs: Sequence[npt.NDArray[np.int64]],
    on_progress: Callable[[int], None],
) -> Ranges:
    """Measure the smallest and largest value of each channel of each activation over all inputs (min-max calibration).

    Args:
        graph: The fp32 graph; a copy of it with more outputs is written beside it.
        activations: Names of the values to measure.
        inputs: One ``(1, length)`` array of token ids per text.
        on_progress: Called after each text with the number done.
    """
    watched = onnx.load(graph, load_external_data=False)
    present = {output.name for output in watched.graph.output}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in activations if name not in present)
    watched_graph = graph.with_name(f"watched.{graph.name}")
    onnx.save(watched, watched_graph)
    session = open_session(watched_graph)
    watched_graph.unlink()
    seen = {name: _Seen() for name in activations}
    with ThreadPoolExecutor(available_workers()) as threads:  # in order: the sum of squares depends on it
        runs = threads.map(lambda input_ids: session.run(list(activations), {"input_ids": input_ids}), inputs)
        for done, values in enumerate(runs, 1):
            for name, value in zip(activations, values, strict=True):
                seen[name].add(value.reshape(-1, value.shape[-1]))
            on_progress(done)
    return {name: each.range() for name, each in seen.items()}


class _Seen:
    """The running range of one activation."""

    def __init__(self) -> None:
        self.low = self.high = np.empty(0, np.float32)
        self.squares, self.values = 0.0, 0

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        """Add rows ``(tokens, channels)``."""
        low, high = rows.min(axis=0), rows.max(axis=0)
        self.low, self.high = (np.minimum(self.low, low), np.maximum(self.high, high)) if self.values else (low, high)
        self.squares += float(np.square(rows, dtype=np.float64).sum())
        self.values += rows.size

    def range(self) -> ChannelRange:
        """The result, rounded so that it is the same on every CPU."""
        power = np.array([self.squares / max(1, self.values)], np.float32)
        return ChannelRange(_rounded(self.low), _rounded(self.high), float(_rounded(power)[0]))


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The next larger magnitudes of :data:`RANGE_BITS` significant bits."""
    mantissas, exponents = np.frexp(values)
    away_from_zero = np.copysign(np.ceil(np.abs(np.ldexp(mantissas, RANGE_BITS))), values)
    return np.asarray(np.ldexp(away_from_zero, exponents - RANGE_BITS), dtype=np.float32)
