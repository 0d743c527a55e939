"""Measure this project beside OpenVINO and llama.cpp in the shapes of larger models, with random weights.

Run:  .venv/bin/python benchmarks/run/shapes.py --json shapes.json
      .venv/bin/python benchmarks/run/shapes.py --shapes bge-base --lengths 128,512 --rounds 9

Needs .venv-peers, which `make bench` or  make .venv-peers/ready  sets up, and several GB of memory and disk; its files
are deleted behind it. benchmarks/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.cpu.count import available_workers
from lib.large_shapes import LARGE_SHAPES
from lib.shape_report import shape_report
from lib.silicon import cpu_name
from lib.workloads import RESULTS, ROOT, source_texts
from sections.shapes import SHAPED, ShapeRun, measure_shape

LENGTHS = "16,128,512,2048"
TOKENS_OF_A_LENGTH = 4096
ROUNDS = 5


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(LARGE_SHAPES), help=f"some of {', '.join(LARGE_SHAPES)}")
    parser.add_argument("--contenders", default=",".join(SHAPED), help=f"some of {', '.join(SHAPED)}")
    parser.add_argument("--lengths", default=LENGTHS, help="tokens of a text; a shape leaves out what it cannot take")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that everyone encodes the texts of a length")
    parser.add_argument("--tokens", type=int, default=TOKENS_OF_A_LENGTH, help="tokens in all of each length")
    parser.add_argument("--json", type=Path, help="write the figures of every round to this file")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    parser.add_argument("--work", type=Path, default=ROOT / "models", help="where exports are made, and deleted again")
    options = parser.parse_args()
    for given, known in ((options.shapes, LARGE_SHAPES), (options.contenders, SHAPED)):
        if unknown := set(given.split(",")) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(known)}")
    options.lengths = lengths_of(parser, options.lengths)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: expected 1 or more")
    if not Path(options.peers).exists():
        parser.error(f"--peers {options.peers}: not there; run  make .venv-peers/ready  first")
    return options


def lengths_of(parser: argparse.ArgumentParser, given: str) -> list[int]:
    """Tokens of a text, in increasing order."""
    found = given.split(",")
    if not all(each.isdigit() and int(each) > 2 for each in found):  # noqa: PLR2004 - two are the special tokens
        parser.error(f"--lengths {given}: expected numbers of tokens from 3 on, with commas between them")
    return sorted({int(each) for each in found})


def measure(run: ShapeRun, options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Measure each shape, and put it into the results as it comes; its files are deleted behind it."""
    options.work.mkdir(parents=True, exist_ok=True)
    for name in options.shapes.split(","):
        with tempfile.TemporaryDirectory(dir=options.work, prefix=f"{name}-") as folder:
            work = Path(folder) / name
            work.mkdir()
            results["shapes"][name] = measure_shape(run, LARGE_SHAPES[name], work)


def main() -> None:
    """Measure, write, print."""
    options = parse()
    # Contenders that wait are stopped, and would stay so for ever: a terminated run ends them, and writes what it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    origin, texts = source_texts()
    logs = RESULTS / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    contenders = [SHAPED[name] for name in options.contenders.split(",")]
    pythons, threads = (sys.executable, options.peers), available_workers()
    run = ShapeRun(contenders, pythons, texts, options.lengths, options.tokens, options.rounds, threads, logs)
    results: dict[str, Any] = {
        "machine": {
            "cpu": cpu_name(),
            "threads": threads,
            "system": f"Linux {platform.release()}, Python {platform.python_version()}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        },
        "texts": origin,
        "rounds": options.rounds,
        "shapes": {},
    }
    try:
        measure(run, options, results)
    finally:  # what was measured before a failure is not lost
        if options.json:
            options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
        print(shape_report(results))


if __name__ == "__main__":
    main()
