"""Resident memory of a process that sends very many texts through `Encoder.stream_documents`.

Run:  .venv/bin/python benchmarks/memory_over_time.py --texts 1000000 --out FOLDER

The texts are made one by one and never held. Writes memory.json and memory.svg, and prints what it saw.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from checkpoints import MINILM, make_checkpoint
from embed_plugin.export import export
from pictures import memory_curve
from report import memory
from workloads import source_texts

STREAM = Path(__file__).with_name("stream_texts.py")
TEXTS_WITH_WORDS = 50


def watch(folder: Path, count: int) -> dict[str, Any]:
    """Stream so many texts in a fresh process; its memory, some 200 times on the way."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as words:
        words.write("\n".join(source_texts()[1][:TEXTS_WITH_WORDS]))
        words.flush()
        command = [sys.executable, str(STREAM), str(folder), str(count), words.name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    return dict(json.loads(printed))


def main() -> None:
    """Export, watch, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000, help="how many, 10 thousand to a million")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
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
