"""Measure each engine of the sink: chunks stored a second, their bytes, and the time of a search afterwards.

Run:  .venv/bin/python benchmarks/run/upsert_rates.py [--chunks N]

Chunks of 200 words with vectors of 384, in calls of 1,024 as ingest makes them, through the sink: payload, batching and
the wait for the answer are all in it. What is on disk is written as each engine does it by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.ingest import Chunk, open_sink, point_id
from embed_plugin.ingest.stores.payload_layout import LAYOUTS
from embed_plugin.ingest.stores.qdrant.backend import PointBatch
from embed_plugin.ingest.stores.qdrant.client.points import rest_batch, upsert_request
from embed_plugin.ingest.stores.qdrant.requests import REQUEST_POINTS
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from embed_plugin.types import Vectors

DIMENSION = 384
WORDS = 200
CALL_CHUNKS = 1024
QUERIES = 50


def made_chunks(count: int) -> tuple[list[Chunk], Vectors]:
    """Chunks with random unit vectors."""
    rng = np.random.default_rng(7)
    words = [f"word{number}" for number in range(5000)]
    texts = [" ".join(rng.choice(words, WORDS)) for _ in range(count)]
    chunks = [
        Chunk(f"doc-{number}", 0, 1, text, {"page": number}, "m" * 64, "r" * 64, 260)
        for number, text in enumerate(texts)
    ]
    vectors = rng.standard_normal((count, DIMENSION)).astype(np.float32)
    return chunks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(name: str, target: str, chunks: list[Chunk], vectors: Vectors) -> None:
    """Print one engine's row."""
    encoder = FakeEncoder(DIMENSION)
    with open_sink(target, "benchmark") as sink:
        sink.prepare(encoder)
        started = time.perf_counter()
        for start in range(0, len(chunks), CALL_CHUNKS):
            sink.upsert(chunks[start : start + CALL_CHUNKS], vectors[start : start + CALL_CHUNKS])
        rate = len(chunks) / (time.perf_counter() - started)
        started = time.perf_counter()
        for vector in vectors[:QUERIES]:
            sink.search(vector, limit=10)
        search = 1000 * (time.perf_counter() - started) / QUERIES
        started = time.perf_counter()
        ids = [sink.id_of(chunk.key, 0) for chunk in chunks[:CALL_CHUNKS]]
        sink.lookup(ids)
        lookup = len(ids) / (time.perf_counter() - started)
        started = time.perf_counter()
    closing = time.perf_counter() - started
    print(
        f"{name:12} {rate:10,.0f} upserts/s  {lookup:10,.0f} lookups/s  search {search:6.1f} ms  close {closing:5.1f} s"
    )


def print_bytes(chunks: list[Chunk], vectors: Vectors) -> None:
    """Print what a chunk is on its way to a server, in one full request."""
    ids = [point_id("benchmark", chunk.key, 0) for chunk in chunks]
    payloads = [LAYOUTS["plain"].write(chunk, one) for chunk, one in zip(chunks, ids, strict=True)]
    points = PointBatch(ids, vectors, payloads)
    text = sum(len(chunk.text) for chunk in chunks) / len(chunks)
    grpc = len(upsert_request("benchmark", points).SerializeToString()) / len(chunks)
    rest = len(rest_batch(points).model_dump_json()) / len(chunks)
    print(f"{text:,.0f} bytes of text a chunk; {grpc:,.0f} over gRPC, {rest:,.0f} over HTTP; {len(chunks)} a request")


def main() -> None:
    """Every engine in turn, and a server where QDRANT_URL says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--server", help="URL of a Qdrant server to measure too")
    arguments = parser.parse_args()
    chunks, vectors = made_chunks(arguments.chunks)
    warnings.simplefilter("ignore", UserWarning)
    print_bytes(chunks[:REQUEST_POINTS], vectors[:REQUEST_POINTS])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        targets = {"memory": ":memory:", "edge": f"edge:{folder}/edge", "local mode": f"{folder}/local"}
        if arguments.server:
            targets["server"] = arguments.server
        for name, target in targets.items():
            measure(name, target, chunks, vectors)


if __name__ == "__main__":
    main()
