"""Measure the latency of one short query: on an idle encoder, and while the same encoder encodes documents.

Run:  .venv/bin/python benchmarks/run/query_latency.py

A query of 12 tokens is asked again and again, with a pause of 5 ms between. Under load another thread of the process
encodes the standard library's docstrings with the same encoder, all at once, over and over.
"""

from __future__ import annotations

import platform
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.export import export
from lib.checkpoints import SOURCE
from lib.workloads import QUERY, standard_library_texts

QUERIES = 1000
TEXTS = 1000
PAUSE_SECONDS = 0.005


def milliseconds_of_queries(encoder: Encoder) -> list[float]:
    """Wall time of each query."""
    taken = []
    for _ in range(QUERIES):
        started = time.perf_counter()
        encoder.encode_queries([QUERY])
        taken.append(1000 * (time.perf_counter() - started))
        time.sleep(PAUSE_SECONDS)
    return taken


def under_load(encoder: Encoder, texts: list[str]) -> list[float]:
    """The same while another thread encodes texts."""
    stop = threading.Event()

    def encode() -> None:
        while not stop.is_set():
            encoder.encode_documents(texts)

    bulk = threading.Thread(target=encode)
    bulk.start()
    try:
        return milliseconds_of_queries(encoder)
    finally:
        stop.set()
        bulk.join()


def main() -> None:
    """Measure both, print a Markdown table."""
    texts = standard_library_texts(TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        export(SOURCE, Path(folder, "int8"))
        encoder = Encoder.load(Path(folder, "int8"))
        encoder.encode_documents(texts[:100])
        rows = {"idle": milliseconds_of_queries(encoder), "under load": under_load(encoder, texts)}
        tokens = int(encoder.count_tokens([QUERY])[0])
    print(f"{QUERIES} queries of {tokens} tokens, {available_workers()} workers, {platform.machine()},")
    print(f"Python {platform.python_version()}, onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| encoder | p50 ms | p99 ms | longest ms |\n|---|---|---|---|")
    for name, taken in rows.items():
        print(f"| {name} | {np.percentile(taken, 50):.1f} | {np.percentile(taken, 99):.1f} | {max(taken):.1f} |")


if __name__ == "__main__":
    main()
