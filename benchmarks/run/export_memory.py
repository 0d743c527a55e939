"""Peak memory of exporting large decoders: random weights of their shapes, exported in a process of its own.

Run:  .venv/bin/python benchmarks/run/export_memory.py --shape qwen3-0.6b --json memory.json

The peak is the resident memory that the kernel counted, mapped files included. Weights are stored in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.decoder_shapes import SHAPES, make_checkpoint

if TYPE_CHECKING:
    from lib.decoder_shapes import DecoderShape

PRECISIONS = ("fp32", "int8")


def measure(checkpoint: Path, precision: str, options: list[str]) -> dict[str, object]:
    """Export a checkpoint; returns the peak in gigabytes (1e9 bytes), the seconds and the exit code."""
    out = checkpoint.with_name(f"model-{precision}")
    command = [sys.executable, "-m", "embed_plugin.cli", "export", str(checkpoint), "--out", str(out)]
    command += ["--exporter", "native", "--precision", precision, *options]
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - this package's own command
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = round(time.monotonic() - started, 1)
    peak = round(used.ru_maxrss * 1024 / 1e9, 2)
    return {"precision": precision, "peak_gb": peak, "seconds": seconds, "exit_code": child.returncode}


def measure_shape(name: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Make the checkpoint of one shape and export it in each precision."""
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        folder = Path(work) / "checkpoint"
        weights = make_checkpoint(with_layers(SHAPES[name], options.layers), folder)
        given = ["--calibration", str(options.calibration)] if options.calibration else []
        extra = {"fp32": [], "int8": ["--min-cosine", "0.1", *given]}
        rows = []
        for precision in options.precision or PRECISIONS:
            row = {"shape": name, "weights": weights, **measure(folder, precision, extra[precision])}
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def with_layers(shape: DecoderShape, layers: int | None) -> DecoderShape:
    """The shape with so many layers; None: its own."""
    return shape if layers is None else replace(shape, config=shape.config | {"num_hidden_layers": layers})


def main() -> int:
    """Measure, print a line an export, and fail if an export failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=(*SHAPES, "all"), default="all")
    parser.add_argument("--precision", choices=PRECISIONS, action="append", help="both by default")
    parser.add_argument("--layers", type=int, help="fewer layers than the model has")
    parser.add_argument("--calibration", type=Path, help="texts of yours, as export takes them")
    parser.add_argument("--work", help="a folder with room for 8 GB; the system's own by default")
    parser.add_argument("--json", type=Path, help="write the lines there too")
    options = parser.parse_args()
    names = list(SHAPES) if options.shape == "all" else [options.shape]
    rows = [row for name in names for row in measure_shape(name, options)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 1 if any(row["exit_code"] for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
