"""Resident memory of an ingest of very many small records, which are made one by one and never held.

Run:  .venv/bin/python benchmarks/run/ingest_memory.py --records 1000000

The model is tiny and random, so that a million records take minutes, and chunks go nowhere, as to a server that is
another process: what is watched is the pipeline. `--to edge:FOLDER` shows what an engine in the process takes besides.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import save_file

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.ingest import IngestSummary, Observer, Record, Sink, ingest, open_sink
from lib.checkpoints import Shape, make_checkpoint, random_weights
from lib.nowhere import Nowhere

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = 2000
SAMPLES = 20


def tiny_model(work: Path) -> Path:
    """One layer, 32 wide, with all-MiniLM-L6-v2's tokenizer."""
    folder = make_checkpoint("minilm", work).folder
    shape = Shape(layers=1, hidden=32, feed_forward=64)
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    facts |= {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 1}
    (folder / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text(encoding="utf-8").replace("384", "32"), encoding="utf-8")
    save_file(random_weights(shape, vocabulary=30522, positions=512), folder / "model.safetensors")
    export(str(folder), work / "model", ExportSettings(min_cosine=0.5))
    return work / "model"


def records(count: int) -> Iterator[Record]:
    """Short records, each another text."""
    rng = random.Random(0)  # noqa: S311 - seeded texts, no secret
    for number in range(count):
        yield Record(f"record {number}", f"{number} " + " ".join(f"w{rng.randrange(WORDS)}" for _ in range(6)))


def resident_megabytes() -> tuple[float, float]:
    """Anonymous and mapped memory of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    anonymous, mapped = (int(lines[name].split()[0]) / 1000 for name in ("RssAnon", "RssFile"))
    return anonymous, mapped


def main() -> None:
    """Ingest, and print the memory on the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--to", help="a target; nowhere by default")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    started, step = time.perf_counter(), max(1, options.records // SAMPLES)
    shown = 0

    def show(summary: IngestSummary) -> None:
        nonlocal shown
        if summary.records >= shown:
            anonymous, mapped = resident_megabytes()
            seconds = time.perf_counter() - started
            print(f"| {summary.records:,} | {anonymous:.0f} | {mapped:.0f} | {seconds:.0f} |", flush=True)
            shown += step

    print("| records | anonymous MB | mapped MB | seconds |\n|---|---|---|---|")
    try:
        encoder = Encoder.load(tiny_model(work))
        sink: Sink = open_sink(options.to, "memory") if options.to else Nowhere()
        with closing(sink):
            summary = ingest(records(options.records), encoder, sink, observer=Observer(on_progress=show))
            assert summary.embedded == sink.count() == options.records  # noqa: S101 - a benchmark's own check
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
