"""Profile a run, operator by operator, on one core.

Run:  .venv/bin/python benchmarks/run/operator_profile.py models/minilm-int8 [--plain] [16x16 5x50 1x180 1x400]

The graph is the one that this machine would run, with --plain the one of onnxruntime's operators alone. A shape is
texts times tokens. The figures are onnxruntime's own, from its profiler, which itself costs a few percent;
each is the median of the runs, and the last row is the whole run without the profiler.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from embed_plugin import kernels
from embed_plugin.cpu import detect_class
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession, open_session
from embed_plugin.model.folder import GRAPH, KERNEL_GRAPH

SHAPES = ("16x16", "5x50", "1x180", "1x400")
RUNS = 40
WARM_UP_RUNS = 5
FIRST_WORD, LAST_WORD = 1000, 20000
"""Token ids that are words in BERT's vocabulary."""

SMALLEST_SHARE = 0.005
"""Operators below this part of every shape's time are summed up."""

Times = dict[str, float]


def random_ids(shape: str) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Token ids of a shape, ``(texts, tokens)``."""
    texts, tokens = map(int, shape.split("x"))
    return np.random.default_rng(0).integers(FIRST_WORD, LAST_WORD, (texts, tokens), dtype=np.int64)


def operator_times(graph: Path, library: Path | None, shape: str) -> Times:
    """Milliseconds of each operator of a run."""
    with tempfile.TemporaryDirectory() as folder:
        profile = {"enable_profiling": True, "profile_file_prefix": str(Path(folder, "profile"))}
        session = open_session(graph, library=library, options=profile)
        ids = random_ids(shape)
        for _ in range(WARM_UP_RUNS + RUNS):
            session.run(None, {"input_ids": ids})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _median_of_runs(events)


def _median_of_runs(events: list[dict[str, object]]) -> Times:
    """Sum each operator's nodes over a run, and take the median over the runs. Branches of an If count, not the If."""
    runs: list[Times] = []
    for event in sorted(events, key=lambda event: int(str(event["ts"]))):
        if event["name"] == "model_run":
            runs.append(defaultdict(float))
        elif runs and str(event["name"]).endswith("_kernel_time"):
            arguments, duration = event["args"], event["dur"]
            assert isinstance(arguments, dict)  # noqa: S101 - for the type checker
            assert isinstance(duration, int)  # noqa: S101 - the same
            if arguments["op_name"] != "If":
                runs[-1][str(arguments["op_name"])] += duration / 1000
    counted = runs[WARM_UP_RUNS:]
    names = {name for run in counted for name in run}
    return {name: statistics.median(run.get(name, 0.0) for run in counted) for name in names}


def whole_run(session: OnnxSession, shape: str) -> float:
    """Milliseconds of a run as the encoder makes it."""
    ids = random_ids(shape)
    taken = []
    for _ in range(WARM_UP_RUNS + RUNS):
        started = time.perf_counter()
        session.run(ids)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[WARM_UP_RUNS:])


def main() -> None:
    """Measure every shape, print a Markdown table."""
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    own = None if "--plain" in options or not (folder / KERNEL_GRAPH).exists() else kernels.choose(detect_class())
    graph = folder / (GRAPH if own is None or own.library is None else KERNEL_GRAPH)
    shapes = [option for option in options if option != "--plain"] or SHAPES
    times = {shape: operator_times(graph, own.library if own else None, shape) for shape in shapes}
    session = OnnxSession(graph, detect_class(), own)
    totals = {shape: sum(found.values()) for shape, found in times.items()}
    names = {name for found in times.values() for name in found}
    largest = {name: max(times[shape].get(name, 0) / totals[shape] for shape in shapes) for name in names}
    print(f"{graph}, one core, {session.platform}, Python {platform.python_version()},")
    print(f"onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}; ms (share of all operators)\n")
    print(f"| operator | {' | '.join(shapes)} |\n|---|{'---|' * len(shapes)}")
    named = sorted((name for name in largest if largest[name] >= SMALLEST_SHARE), key=lambda name: -largest[name])
    for name in named:
        _row(name, [(times[shape].get(name, 0.0), totals[shape]) for shape in shapes])
    _row("all others", [(totals[s] - sum(times[s].get(name, 0) for name in named), totals[s]) for s in shapes])
    print(f"| **whole run** | {' | '.join(f'{whole_run(session, shape):.2f}' for shape in shapes)} |")


def _row(name: str, figures: list[tuple[float, float]]) -> None:
    print(f"| {name} | {' | '.join(f'{time:.2f} ({100 * time / total:.0f} %)' for time, total in figures)} |")


if __name__ == "__main__":
    main()
