"""INT8, calibrated and dynamic, against fp32 all-MiniLM-L6-v2: speed, closeness and size, on docstrings.

Run:  .venv/bin/python benchmarks/run/int8_against_fp32.py

The models encode the same texts in turn, round after round, so that a change of the machine's speed meets all; the
figures are medians over the rounds. The first round warms up and does not count.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.export import ExportSettings, export
from embed_plugin.types import Precision
from lib.checkpoints import SOURCE
from lib.workloads import standard_library_texts

ROUNDS = 5
TEXTS = 1000


def seconds_per_round(encoders: dict[str, Encoder], texts: list[str]) -> dict[str, list[float]]:
    """Wall seconds of each model in each counted round."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(ROUNDS + 1):
        for name, encoder in encoders.items():
            started = time.perf_counter()
            encoder.encode_documents(texts)
            seconds[name].append(time.perf_counter() - started)
    return {name: rounds[1:] for name, rounds in seconds.items()}


def main() -> None:
    """Export all, measure, print a Markdown table."""
    texts = standard_library_texts(TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        encoders = {}
        for precision in get_args(Precision):
            export(SOURCE, Path(folder, precision), ExportSettings(precision=precision))
            encoders[precision] = Encoder.load(Path(folder, precision))
        vectors = {name: encoder.encode_documents(texts) for name, encoder in encoders.items()}
        seconds = seconds_per_round(encoders, texts)
        sizes = {name: sum(path.stat().st_size for path in Path(folder, name).glob("model.*")) for name in encoders}
    cosines = {name: np.sum(rows * vectors["fp32"], axis=1) for name, rows in vectors.items()}
    tokens = int(np.minimum(encoders["fp32"].count_tokens(texts), encoders["fp32"].max_tokens).sum())
    print(f"{len(texts)} docstrings, {tokens} tokens, {available_workers()} workers, {platform.machine()},")
    print(f"Python {platform.python_version()}, onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| model | texts/s | tokens/s | MB on disk | cosine to fp32: mean, least |\n|---|---|---|---|---|")
    for name, rounds in seconds.items():
        median = statistics.median(rounds)
        speed = f"{len(texts) / median:.0f} | {tokens / median:.0f}"
        print(f"| {name} | {speed} | {sizes[name] / 1e6:.0f} | {cosines[name].mean():.4f}, {cosines[name].min():.4f} |")
    ratio = statistics.median(fp32 / int8 for fp32, int8 in zip(seconds["fp32"], seconds["int8"], strict=True))
    print(f"\nINT8 over fp32, round by round: {ratio:.2f}x")


if __name__ == "__main__":
    main()
