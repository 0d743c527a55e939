"""Measure how the time to read and cut a file grows with its size, for every format and many shapes.

Run:  .venv/bin/python benchmarks/run/reading_rate.py [--only WORD] [--first-bytes N]

Each shape is written as one file, of a size that is doubled five times, and is read and cut for all-MiniLM-L6-v2's
tokenizer. CPU time that is proportional to the size doubles each time; exit code 1 where a ratio is above 2.5. A quick
measurement is repeated, and the least time counts. All shapes take several hours; choose some with --only.
"""

from __future__ import annotations

import argparse
import gc
import io
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.ingest import Chunker, Record, RecordReader
from embed_plugin.testing import FakeEncoder
from lib.checkpoints import MINILM, make_checkpoint
from lib.file_shapes import SHAPES
from lib.tables import figure, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.types import Role

FIRST_BYTES = 64 * 1024
"""More than one window of a text that is cut, also of Chinese: a text of one window takes a little less."""
DOUBLINGS = 5
MOST_RATIO = 2.5
MAX_TOKENS = 256
QUICK_SECONDS = 1.0
"""Time of the measurements of one size together that is enough to trust the least."""
REPEATS = 5
"""Most measurements of one size."""


class Counting(FakeEncoder):
    """An encoder that counts with a real tokenizer; its vectors are of no use."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        super().__init__(max_tokens=MAX_TOKENS)
        self._tokenizer = tokenizer

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, special ones included."""
        del role
        return self._tokenizer.count(texts, prefix="")


def seconds_to_read(path: Path, chunker: Chunker) -> float:
    """The least CPU time to read and cut a file, of several measurements if it is short."""
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < QUICK_SECONDS:
        gc.collect()
        gc.disable()  # its passes over all that Python has loaded come at thresholds, and would be a step in the time
        started = time.process_time()
        chunker.chunk([record for record in RecordReader([path]) if isinstance(record, Record) and not record.is_empty])
        taken.append(time.process_time() - started)
        gc.enable()
    return min(taken)


def write_file(path: Path, text: str) -> None:
    """Write the text, or for Parquet its lines as the rows of one column."""
    if path.suffix == ".parquet":
        content = io.BytesIO()
        pq.write_table(pa.table({"text": text.splitlines()}), content)
        path.write_bytes(content.getvalue())
    else:
        path.write_text(text, encoding="utf-8")


def measure(suffix: str, shape: str, chunker: Chunker, folder: Path, first: int) -> Iterator[float]:
    """The seconds for each size of one shape."""
    for doubling in range(DOUBLINGS + 1):
        path = folder / f"file{suffix}"
        write_file(path, SHAPES[suffix, shape](first << doubling))
        yield seconds_to_read(path, chunker)


def main() -> None:
    """Measure every shape and print a row of a Markdown table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="measure the suffixes and shapes that contain this word")
    parser.add_argument("--first-bytes", type=int, default=FIRST_BYTES)
    options = parser.parse_args()
    sizes = [f"{options.first_bytes << doubling >> 10:,} KiB" for doubling in range(DOUBLINGS + 1)]
    above: list[str] = []
    with tempfile.TemporaryDirectory() as work:
        folder = make_checkpoint(MINILM, Path(work)).folder
        chunker = Chunker(Counting(TextTokenizer(folder / "tokenizer.json", max_tokens=MAX_TOKENS)))
        sys.stdout.write(table(["file", *(f"s of {size}" for size in sizes), "largest ratio"], []))
        for suffix, shape in SHAPES:
            if options.only not in f"{suffix} {shape}":
                continue
            seconds = list(measure(suffix, shape, chunker, Path(work), options.first_bytes))
            ratio = max(after / before for before, after in pairwise(seconds))
            row = [f"{suffix} {shape}", *map(figure, seconds), figure(ratio)]
            print(f"| {' | '.join(row)} |", flush=True)
            above += [row[0]] if ratio > MOST_RATIO else []
    if above:
        sys.exit(f"more than {MOST_RATIO} times the time for twice the size: {', '.join(above)}")


if __name__ == "__main__":
    main()
