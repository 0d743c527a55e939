"""Measure a point in qdrant-edge, which stores and indexes as a server does: bytes on disk by part, and indexing time.

Run:  .venv/bin/python benchmarks/run/point_costs.py MODEL [--points 10000 40000] [--random] [--quantisation scalar]

The points are pieces of 40 words of SciFact, or of the standard library's docstrings, with their real vectors: an index
of random vectors takes longer. What is preallocated is not counted, nor is the write-ahead log.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.ingest import Chunk, CollectionSettings, open_sink
from lib.workloads import source_texts

if TYPE_CHECKING:
    from embed_plugin.types import Vectors

CALL_CHUNKS = 1024
BYTES_OF_A_BLOCK = 512


def pieces(count: int) -> list[str]:
    """Texts of 40 words, each begun seven words behind the one before, and from the start where the words end."""
    words = " ".join(source_texts()[1]).split()
    starts = (7 * number % (len(words) - 40) for number in range(count))
    return [" ".join(words[start : start + 40]) for start in starts]


def random_vectors(count: int, dimension: int) -> Vectors:
    """Unit vectors without neighbours worth the name."""
    vectors: Vectors = np.random.default_rng(7).standard_normal((count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def bytes_by_part(folder: Path) -> Counter[str]:
    """Bytes of the blocks on disk, by the folder or file of a segment that they belong to."""
    sizes: Counter[str] = Counter()
    for path in folder.rglob("segments/*/**/*"):
        if path.is_file():
            parts = path.parts[path.parts.index("segments") + 2 :]
            name = path.name if path.name.startswith("quantized") else parts[0]
            sizes[name] += path.stat().st_blocks * BYTES_OF_A_BLOCK
    return sizes


def measure(texts: list[str], vectors: Vectors, encoder: Encoder, settings: CollectionSettings) -> None:
    """Print one size's line."""
    chunks = [Chunk(f"doc-{n}", 0, 1, text, {"page": n}, "m" * 64, "r" * 64, 50) for n, text in enumerate(texts)]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        with open_sink(f"edge:{folder}/edge", "benchmark", settings=settings) as sink:
            sink.prepare(encoder)
            for start in range(0, len(chunks), CALL_CHUNKS):
                sink.upsert(chunks[start : start + CALL_CHUNKS], vectors[start : start + CALL_CHUNKS])
            started, cpu = time.perf_counter(), time.process_time()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        parts = {name: size / len(chunks) for name, size in bytes_by_part(Path(folder)).most_common()}
    text = sum(len(text.encode()) for text in texts) / len(texts)
    print(f"{len(chunks):,} points of {text:.0f} bytes of text: indexed in {seconds:.1f} s ({cpu:.1f} of CPU)")
    print("  bytes a point: " + ", ".join(f"{name} {size:,.0f}" for name, size in parts.items() if size >= 1))


def main() -> None:
    """Each size in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 40_000])
    parser.add_argument("--quantisation", choices=["scalar", "binary"], help="search such a copy, and index by it")
    parser.add_argument("--random", action="store_true", help="index random vectors instead")
    options = parser.parse_args()
    encoder = Encoder.load(options.model)
    texts = pieces(max(options.points))
    vectors = random_vectors(len(texts), encoder.dimension) if options.random else encoder.encode_documents(texts)
    for count in options.points:
        measure(texts[:count], vectors[:count], encoder, CollectionSettings(quantisation=options.quantisation))


if __name__ == "__main__":
    main()
