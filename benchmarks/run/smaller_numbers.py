"""Measure what smaller numbers cost on SciFact: float16, int8, bits, and bits rescored by the query's whole numbers.

Run:  .venv/bin/python benchmarks/run/smaller_numbers.py [MODEL_FOLDER] [--dimensions 256,128]

Search is exact. Rescored: the first 400 by bits in which query and document differ, ordered by the query's numbers.
Dimensions are for a model that was trained to be cut. Needs ../shared/data/scifact.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.evaluate.metrics import ndcg, recall
from embed_plugin.numbers import hamming, rescore, to_binary, to_float16, to_int8
from lib.workloads import SCIFACT

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from embed_plugin import Vectors

    Score = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]

FOUND, CANDIDATES = 100, 400


def scores(documents: Vectors) -> dict[str, tuple[int, Score]]:
    """For each kind of numbers: bytes of a vector, and the scores of all documents for a query."""
    half, whole = to_float16(documents).astype(np.float64), documents.astype(np.float64)
    eighth, bits = to_int8(documents).to_float32().astype(np.float64), to_binary(documents)
    dimension = documents.shape[1]

    def differing(query: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return -hamming(to_binary(query[None])[0], bits).astype(np.float64)

    def rescored(query: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        found = np.full(len(bits), -np.inf)
        first = np.argsort(-differing(query), kind="stable")[:CANDIDATES]
        found[first] = rescore(query, bits[first])
        return found

    return {
        "float32": (4 * dimension, lambda query: whole @ query),
        "float16": (2 * dimension, lambda query: half @ query),
        "int8": (dimension + 4, lambda query: eighth @ query),
        "binary": (dimension // 8, differing),
        "binary, rescored": (dimension // 8, rescored),
    }


def main() -> None:
    """Encode once, and search with each kind of numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", default="models/minilm-int8")
    parser.add_argument("--dimensions", default="", help="with commas between")
    asked = parser.parse_args()
    dataset = read_retrieval_dataset(SCIFACT)
    documents = list(dataset.documents())
    print("| numbers | dimension | bytes | nDCG@10 | recall@100 |\n|---|---|---|---|---|")
    for dimension in [None, *(int(each) for each in asked.dimensions.split(",") if each)]:
        encoder = Encoder.load(asked.folder, dimension=dimension)
        queries = dict(zip(dataset.queries, encoder.encode_queries(list(dataset.queries.values())), strict=True))
        for name, (size, score) in scores(encoder.encode_documents([each.text for each in documents])).items():
            found = {
                query: [documents[row].id for row in np.argsort(-score(queries[query]), kind="stable")[:FOUND]]
                for query in dataset.qrels
            }
            of_ten = np.mean([ndcg(found[query], judged) for query, judged in dataset.qrels.items()])
            of_all = np.mean([recall(found[query], judged) for query, judged in dataset.qrels.items()])
            print(f"| {name} | {encoder.dimension} | {size} | {100 * of_ten:.2f} | {100 * of_all:.2f} |")


if __name__ == "__main__":
    main()
