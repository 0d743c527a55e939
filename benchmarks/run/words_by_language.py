"""Measure how well words alone find on SciFact, by the settings of BM25.

Run:  .venv/bin/python benchmarks/run/words_by_language.py

Needs ../shared/data/scifact, and no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings
from embed_plugin.ingest.stores.qdrant.bm25 import Bm25
from lib.words_alone import Words, report
from lib.workloads import SCIFACT

if TYPE_CHECKING:
    from embed_plugin.evaluate.datasets import RetrievalDataset

SETTINGS = {
    "English, version 1": Bm25Settings(version=1),
    "English, version 2": Bm25Settings(),
    "German": Bm25Settings(language="german"),
    "English, k 0.9 b 0.4": Bm25Settings(k=0.9, b=0.4),
    "English, mean 128": Bm25Settings(mean_words=128),
}


def rank(name: str, dataset: RetrievalDataset, words: Words) -> None:
    """Rank the documents for each query."""
    report(name, dataset, lambda query: words.find(dataset.queries[query]))


def main() -> None:
    """Rank by each, and count what the two versions make differently."""
    dataset = read_retrieval_dataset(SCIFACT)
    documents = list(dataset.documents())
    for name, settings in SETTINGS.items():
        rank(name, dataset, Words(documents, settings))
    first, second = Bm25(Bm25Settings(version=1)), Bm25()
    texts = [document.text for document in documents]
    other = sum(first.document(text) != second.document(text) for text in texts)
    others = sum(first.query(text) != second.query(text) for text in dataset.queries.values())
    print(f"other vectors in version 2: {other} of {len(texts)} documents, {others} of {len(dataset.queries)} queries")


if __name__ == "__main__":
    main()
