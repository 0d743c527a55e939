"""Measure the latency of one short query: on an idle encoder, and while the same encoder encodes documents.

Run:  .venv/bin/python benchmarks/run/query_latency.py [--quick]

A query of 12 tokens is asked again and again, with a pause of 5 ms between, in INT8 and in fp32: on one worker and on
all of them in turns, so that both meet the same disturbances, and in INT8 under load. There another thread of the
process encodes the standard library's docstrings with the same encoder, all at once, over and over.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder, EncoderSettings
from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.export import ExportSettings, export
from lib.checkpoints import SOURCE
from lib.workloads import QUERY, standard_library_texts

if TYPE_CHECKING:
    from embed_plugin.types import Precision

PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
QUERIES = 1000
WARM_UP = 200
"""Queries before those that count: the session of several threads is opened after 20 to 60."""
TEXTS = 1000
PAUSE_SECONDS = 0.005


def in_turns(encoders: dict[str, Encoder], queries: int) -> dict[str, list[float]]:
    """Wall time of each query, asked of one encoder after the other; those that warm up are left out."""
    taken: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(WARM_UP + queries):
        for name, encoder in encoders.items():
            started = time.perf_counter()
            encoder.encode_queries([QUERY])
            taken[name].append(1000 * (time.perf_counter() - started))
            time.sleep(PAUSE_SECONDS)
    return {name: found[WARM_UP:] for name, found in taken.items()}


def under_load(encoder: Encoder, texts: list[str], queries: int) -> list[float]:
    """The same of one encoder while another thread encodes texts with it."""
    stop = threading.Event()

    def encode() -> None:
        while not stop.is_set():
            encoder.encode_documents(texts)

    bulk = threading.Thread(target=encode)
    bulk.start()
    try:
        return in_turns({"": encoder}, queries)[""]
    finally:
        stop.set()
        bulk.join()


def main() -> None:
    """Measure all, print a Markdown table."""
    parser = argparse.ArgumentParser(description="Measure the latency of one short query.")
    parser.add_argument("--quick", action="store_true", help="30 queries each, for a look")
    queries = 30 if parser.parse_args().quick else QUERIES
    texts = standard_library_texts(TEXTS)
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in PRECISIONS:
            export(SOURCE, Path(folder, precision), ExportSettings(precision=precision))
            settings = {"one worker": EncoderSettings(workers=1), "all workers": EncoderSettings()}
            encoders = {name: Encoder.load(Path(folder, precision), chosen) for name, chosen in settings.items()}
            for name, taken in in_turns(encoders, queries).items():
                rows[f"{precision}, {name}"] = taken
            if precision == "int8":
                rows["int8, under load"] = under_load(encoders["all workers"], texts, queries)
        tokens = int(encoders["all workers"].count_tokens([QUERY])[0])
    print(f"{queries} queries of {tokens} tokens, {available_workers()} workers, {platform.machine()},")
    print(f"Python {platform.python_version()}, onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| encoder | p50 ms | p99 ms | longest ms |\n|---|---|---|---|")
    for name, taken in rows.items():
        print(f"| {name} | {np.percentile(taken, 50):.2f} | {np.percentile(taken, 99):.2f} | {max(taken):.1f} |")


if __name__ == "__main__":
    main()
