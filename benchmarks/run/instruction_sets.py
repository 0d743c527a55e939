"""The speed of all-MiniLM-L6-v2 by each instruction set of this CPU, beside fp32 and onnxruntime's own int8 operators.

Run:  .venv/bin/python benchmarks/run/instruction_sets.py [--json benchmarks/classes/CLASS.json]

One core, one session each, in turn, round after round, so that a change of the machine's speed meets all; the figures
are medians over the rounds, of which the first warms up and does not count. The ceiling of a set is what its best exact
int8 instruction could do if nothing else took time. onnxruntime chooses its operators by the CPU, not by the set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE, LEAST
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession
from embed_plugin.export import ExportSettings, export
from embed_plugin.kernels import here
from lib.checkpoints import MINILM, SHAPES, SOURCE
from lib.silicon import cpu_name, measure_silicon, seconds_at_ceiling
from lib.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from lib.silicon import Silicon

SHAPES_OF_RUNS = ((1, 12), (16, 16), (5, 50), (2, 128), (1, 256))
"""Texts, and tokens of each: a query, and about what the encoder runs at once."""

ROUNDS = 25
FP32, PLAIN = "fp32", "onnxruntime int8"


@contextmanager
def instruction_set(name: str) -> Iterator[None]:
    """Sessions that are made meanwhile use this set."""
    os.environ[INSTRUCTION_SET_VARIABLE] = name
    try:
        yield
    finally:
        del os.environ[INSTRUCTION_SET_VARIABLE]


def open_sessions(work: Path) -> dict[str, OnnxSession]:
    """Export the model; returns a session for fp32, for onnxruntime's operators and for each set."""
    for precision in ("fp32", "int8"):
        export(SOURCE, work / precision, ExportSettings(precision=precision))
    sessions = {name: OnnxSession(work / name / "model.onnx", detect_class()) for name in (FP32, "int8")}
    sessions = {FP32: sessions[FP32], PLAIN: sessions["int8"]}
    for name in here():
        with instruction_set(name):
            sessions[name] = OnnxSession.of(work / "int8")
    return sessions


def measure(sessions: dict[str, OnnxSession], ids: npt.NDArray[np.int64]) -> dict[str, list[float]]:
    """Seconds of each session in each counted round; C alone, which is slow, in a tenth of them."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(ROUNDS + 1):
        for name, session in sessions.items():
            if name == LEAST and turn % 10 > 1:
                continue
            started = time.perf_counter()
            session.run(ids)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def figures(seconds: dict[str, list[float]], texts: int, tokens: int, silicon: Silicon) -> dict[str, dict[str, float]]:
    """Milliseconds, how many times as fast as fp32, and the share of the ceiling, by session."""
    found = {}
    for name, rounds in seconds.items():
        spent = statistics.median(rounds)
        least = seconds_at_ceiling([tokens] * texts, SHAPES[MINILM], silicon.of(name))
        found[name] = {"ms": spent * 1e3, "times_fp32": statistics.median(seconds[FP32]) / spent}
        if least:
            found[name]["of_ceiling"] = least / spent
    return found


def cell(found: dict[str, float]) -> str:
    """One session's figures for one shape."""
    share = f", {found['of_ceiling']:.0%}" if "of_ceiling" in found else ""
    return f"{found['ms']:.2f} ({found['times_fp32']:.2f}x{share})"


def main() -> None:
    """Export, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    rng, silicon = np.random.default_rng(0), measure_silicon()
    with tempfile.TemporaryDirectory() as work:
        sessions = open_sessions(Path(work))
        by_shape = {
            f"{texts} x {tokens}": figures(
                measure(sessions, rng.integers(1000, 20_000, (texts, tokens))), texts, tokens, silicon
            )
            for texts, tokens in SHAPES_OF_RUNS
        }
    facts = {
        "cpu": cpu_name(),
        "class": detect_class().name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "onnxruntime": ONNXRUNTIME_VERSION,
        "peak_of_a_core": silicon.by_set,
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items() if name != "peak_of_a_core"))
    print("milliseconds (times as fast as fp32, share of the ceiling), one core\n")
    print(
        table(["texts x tokens", *sessions], [[shape, *map(cell, each.values())] for shape, each in by_shape.items()])
    )
    if arguments.json:
        arguments.json.parent.mkdir(exist_ok=True)
        arguments.json.write_text(json.dumps({**facts, "runs": by_shape}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
