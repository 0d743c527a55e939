"""Compare the speed of an ingest with the bare encoder's, and time a second run that finds nothing new.

Run:  .venv/bin/python benchmarks/run/ingest_rate.py --model bge-shape --to nowhere --to edge:FOLDER --to http://localhost:6333

The encoder alone and an ingest into a new collection of each target take the same texts in turn, round after round; a
share is the median, over the rounds, of the encoder's time over the ingest's. FOLDER is used up: each round makes a
new one beside it. `nowhere` forgets what it is given, as a server would that costs this machine nothing.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.export import export
from embed_plugin.ingest import Record, ingest, open_sink
from lib.checkpoints import MINILM, SHAPES, make_checkpoint
from lib.nowhere import Nowhere
from lib.workloads import standard_library_texts

TEXTS = 4000
ROUNDS = 3


def seconds_of_ingest(records: list[Record], encoder: Encoder, target: str) -> tuple[float, float]:
    """Wall seconds of a first run and of one that finds everything stored."""
    name = uuid.uuid4().hex
    place = target if "://" in target or target == ":memory:" else f"{target}-{name}"
    with closing(Nowhere() if target == "nowhere" else open_sink(place, name)) as sink:
        started = time.perf_counter()
        ingest(records, encoder, sink)
        stored = time.perf_counter()
        ingest(records, encoder, sink)
        return stored - started, time.perf_counter() - stored


def main() -> None:
    """Export, take turns, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", action="append", help="a target; may be given again")
    parser.add_argument("--model", choices=list(SHAPES), default=MINILM)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        export(str(make_checkpoint(options.model, Path(work)).folder), Path(work, "model"))
        encoder = Encoder.load(Path(work, "model"))
        texts = [text for text, tokens in _within(standard_library_texts(options.texts), encoder)]
        records = [Record(str(number), text) for number, text in enumerate(texts)]
        targets = options.to or [":memory:", str(Path(work, "qdrant"))]
        alone: list[float] = []
        runs: dict[str, list[tuple[float, float]]] = {target: [] for target in targets}
        for _ in range(options.rounds + 1):
            started = time.perf_counter()
            encoder.encode_documents(texts)
            alone.append(time.perf_counter() - started)
            for target in targets:
                runs[target].append(seconds_of_ingest(records, encoder, target))
    print(
        f"{options.model}, {len(texts)} docstrings, {available_workers()} workers, Python {platform.python_version()},"
    )
    print(f"onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}; the first round is not counted\n")
    print("| | texts/s | share of the encoder alone | second run: texts/s |\n|---|---|---|---|")
    print(f"| encoder alone | {len(texts) / statistics.median(alone[1:]):.0f} | | |")
    for target, seconds in runs.items():
        first, second = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
        share = statistics.median(bare / run for bare, (run, _) in zip(alone[1:], seconds[1:], strict=True))
        print(f"| {target} | {len(texts) / first:.0f} | {share:.0%} | {len(texts) / second:.0f} |")


def _within(texts: list[str], encoder: Encoder) -> list[tuple[str, int]]:
    """Texts that are one chunk each, so that both do the same work."""
    counted = zip(texts, map(int, encoder.count_tokens(texts)), strict=True)
    return [(text, tokens) for text, tokens in counted if tokens <= encoder.max_tokens]


if __name__ == "__main__":
    main()
