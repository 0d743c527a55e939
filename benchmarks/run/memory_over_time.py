"""Resident memory of a process that sends very many texts through `Encoder.stream_documents`.

Run:  .venv/bin/python benchmarks/run/memory_over_time.py --texts 1000000 --out FOLDER

The texts are made one by one and never held. Writes memory.json and memory.svg, and prints what it saw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.export import export
from lib.checkpoints import MINILM, make_checkpoint
from lib.pictures import memory_curve
from lib.report import memory
from lib.stream_memory import watch
from lib.workloads import RESULTS


def main() -> None:
    """Export, watch, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000, help="how many, 10 thousand to a million")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        export(str(make_checkpoint(MINILM, Path(work)).folder), Path(work, "model"))
        found = watch(Path(work, "model"), options.texts)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(found), encoding="utf-8")
    memory_curve(found, options.out / "memory.svg")
    print(memory({"memory": found}))


if __name__ == "__main__":
    main()
