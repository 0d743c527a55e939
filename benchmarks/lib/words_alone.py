"""Rank documents by the words that BM25 makes of them, without a store, and report how well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from embed_plugin.evaluate.metrics import ndcg, recall
from embed_plugin.ingest.stores.qdrant.bm25 import Bm25

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin.evaluate.datasets import Document, RetrievalDataset
    from embed_plugin.ingest.stores.bm25_settings import Bm25Settings

FOUND = 100


class Words:
    """Documents ranked by their words alone."""

    def __init__(self, documents: Sequence[Document], settings: Bm25Settings | None = None) -> None:
        self._bm25 = Bm25(settings)
        self._ids = [document.id for document in documents]
        rows = [self._bm25.document(document.text) for document in documents]
        indices = np.concatenate([row.indices for row in rows])
        self._columns, places = np.unique(indices, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum([len(row.indices) for row in rows])])
        values = np.concatenate([row.values for row in rows])
        self._weights = csr_array((values, places, starts), shape=(len(rows), len(self._columns)))
        containing = np.bincount(places, minlength=len(self._columns))
        self._idf = np.log((len(rows) - containing + 0.5) / (containing + 0.5) + 1)

    def find(self, text: str) -> list[str]:
        """Ids of the best documents, best first."""
        query = np.where(np.isin(self._columns, self._bm25.query(text).indices), self._idf, 0)
        return [self._ids[row] for row in np.argsort(-(self._weights @ query), kind="stable")[:FOUND]]


def report(name: str, dataset: RetrievalDataset, find: Callable[[str], list[str]]) -> None:
    """Print the means over the queries that have a judgement."""
    rankings: Mapping[str, list[str]] = {query: find(query) for query in dataset.qrels}
    of_ten = np.mean([ndcg(rankings[query], judged) for query, judged in dataset.qrels.items()])
    of_all = np.mean([recall(rankings[query], judged) for query, judged in dataset.qrels.items()])
    print(f"{name:20} nDCG@10 {100 * of_ten:6.2f}   recall@100 {100 * of_all:6.2f}")
