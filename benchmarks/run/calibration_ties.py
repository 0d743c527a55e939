"""The chance that two CPUs calibrate one model differently: fp32 rounds otherwise, and a range ends at another step.

Run on each CPU:  .venv/bin/python benchmarks/run/calibration_ties.py record models/minilm-fp32 here.npz
then:             .venv/bin/python benchmarks/run/calibration_ties.py compare here.npz there.npz

One export hits such a tie too seldom to be counted. So the differences that were measured are made a hundred times as
large, on ranges that are all multiplied by a random number, and the share of those that differ is divided by a hundred.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin import Encoder
from embed_plugin.export.int8 import calibrate
from embed_plugin.export.int8.calibrate import ChannelRange, measure_ranges
from embed_plugin.export.int8.quantise import quantised_activations
from embed_plugin.export.int8.texts import read_calibration_texts
from embed_plugin.export.int8.uint8_range import choose_range
from embed_plugin.model.folder import GRAPH

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.int8.uint8_range import Uint8Range

    Floats = npt.NDArray[np.float64]

EXACT_BITS = 24
ENLARGED = 100
TRIALS = 600


def record(folder: Path, out: Path) -> None:
    """Write the unrounded ranges of an fp32 model folder on the built-in texts: (low, high, power) by activation."""
    calibrate.RANGE_BITS = EXACT_BITS
    ids = Encoder.load(folder).runtime.tokenise(read_calibration_texts(None).calibrated_on).ids
    inputs = [np.array([tokens], dtype=np.int64) for tokens in ids]
    names = quantised_activations(onnx.load(folder / GRAPH))
    ranges = measure_ranges(folder / GRAPH, names, inputs, lambda _: None)
    rows = {name: np.array([*found.low, *found.high, found.power]) for name, found in ranges.items()}
    np.savez(out, **rows)  # type: ignore[arg-type]  # numpy's own type has no keywords


def chosen(row: Floats) -> Uint8Range:
    """The uint8 range an export would choose."""
    low, high = np.split(calibrate._rounded(row[:-1].astype(np.float32)), 2)
    power = calibrate._rounded(row[-1:].astype(np.float32))
    return choose_range(ChannelRange(low, high, float(power[0])))


def compare(here: Path, there: Path) -> None:
    """Print how far the ranges' ends lie apart, and the chance of a tie."""
    with np.load(here) as first, np.load(there) as second:
        pairs = [(first[name].astype(np.float64), second[name].astype(np.float64)) for name in first]
    ends = [np.array([[row[:-1].min(), row[:-1].max()] for row in pair]) for pair in pairs]
    apart = np.concatenate([np.abs(a - b) / np.abs(a) for a, b in ends])
    print(f"{len(pairs)} activations; their ends lie {apart.mean():.1e} apart in the mean, {apart.max():.1e} at most")
    rng = np.random.default_rng(0)
    differ = 0
    for _ in range(TRIALS):
        factors = 2 ** rng.uniform(0, 1, len(pairs))
        moved = [(a, a + ENLARGED * (b - a), factor) for (a, b), factor in zip(pairs, factors, strict=True)]
        differ += any(chosen(a * factor) != chosen(b * factor) for a, b, factor in moved)
    chance = differ / TRIALS / ENLARGED
    print(f"{calibrate.RANGE_BITS} bits: {differ} of {TRIALS} enlarged trials differ, so {chance:.1e} for one export")


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
