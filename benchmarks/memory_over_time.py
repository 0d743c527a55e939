"""Resident memory of a process that sends texts without end through `Encoder.stream_documents`.

Run:  .venv/bin/python benchmarks/memory_over_time.py --texts 1000000 --out FOLDER

The texts are made one by one and never held. Writes memory.json and memory.png, and prints what it saw.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints import MINILM, make_checkpoint
from contenders.child import peak_resident_bytes
from embed_plugin import Encoder
from embed_plugin.export import export
from pictures import memory_curve
from tables import memory
from workloads import source_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES = 200
WORDS_OF_A_TEXT = (5, 60)


def random_texts(count: int, words: Sequence[str]) -> Iterator[str]:
    """Texts of random words, 5 to 60 each."""
    rng = random.Random(0)  # noqa: S311 - seeded texts, no secret
    for _ in range(count):
        yield " ".join(rng.choices(words, k=rng.randint(*WORDS_OF_A_TEXT)))


def stream(folder: Path, count: int) -> dict[str, Any]:
    """Encode in this process, and look at its memory on the way."""
    words = " ".join(source_texts()[1][:50]).split()
    encoder = Encoder.load(folder)
    samples, started = [_sample(0, 0.0)], time.perf_counter()
    every = max(1, count // SAMPLES)
    for done, _ in enumerate(encoder.stream_documents(random_texts(count, words)), 1):
        if done % every == 0:
            samples.append(_sample(done, time.perf_counter() - started))
    return {"texts": count, "samples": samples, "peak_bytes": peak_resident_bytes()}


def _sample(texts: int, seconds: float) -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"texts": texts, "seconds": seconds, "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE")}


def watch(folder: Path, count: int) -> dict[str, Any]:
    """The same in a fresh process."""
    command = [sys.executable, __file__, "--texts", str(count), "--stream", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this file
    return dict(json.loads(printed))


def main() -> None:
    """Export, watch, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000, help="how many, 10 thousand to a million")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--stream", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stream:
        print(json.dumps(stream(options.stream, options.texts)))
        return
    with tempfile.TemporaryDirectory() as work:
        export(str(make_checkpoint(MINILM, Path(work)).folder), Path(work, "model"))
        found = watch(Path(work, "model"), options.texts)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(found), encoding="utf-8")
    memory_curve(found, options.out / "memory.png")
    print(memory({"memory": found}))


if __name__ == "__main__":
    main()
