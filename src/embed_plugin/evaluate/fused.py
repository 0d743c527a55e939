"""Fuse the rankings of several models on a dataset, as a hybrid search fuses those of a collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.retrieval import DEPTH, result_of_run, search_by_max_sim, search_corpus
from embed_plugin.evaluate.sparse_retrieval import search_sparse_corpus
from embed_plugin.scoring import fuse_ranks
from embed_plugin.types import SparseVector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from embed_plugin.evaluate.datasets import RetrievalDataset
    from embed_plugin.evaluate.metrics import Run
    from embed_plugin.evaluate.retrieval import Found, RetrievalResult
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder, TextSparseEncoder


@dataclass(frozen=True)
class FusedModels:
    """The models whose rankings are fused.

    Attributes:
        dense: The embedding model.
        bm25: Makes weights of words, which count by their rarity in the corpus: an :class:`embed_plugin.Bm25Encoder`.
        sparse: A learned sparse encoder.
        late: A late-interaction model.
        weights: One for each ranking, in this order; all 1 if None.
    """

    dense: TextEncoder
    bm25: TextSparseEncoder | None = None
    sparse: TextSparseEncoder | None = None
    late: TextLateInteractionEncoder | None = None
    weights: Sequence[float] | None = None

    @property
    def names(self) -> list[str]:
        """The names of the rankings, in the order of the weights."""
        return ["dense", *(name for name in ("bm25", "sparse", "late") if getattr(self, name) is not None)]


def evaluate_fused(
    models: FusedModels, dataset: RetrievalDataset, *, on_progress: Callable[[int], None] | None = None
) -> RetrievalResult:
    """Search a dataset's corpus by each model, fuse the rankings, and score the result.

    Args:
        models: The models.
        dataset: Queries, judgements and corpus.
        on_progress: Called after each document with the number encoded so far, of all models together.

    Raises:
        InvalidInputError: there is not one weight for each ranking.
        RecordError: the corpus is empty, cannot be read, or has one document id twice.
    """
    run = search_fused(models, dataset, on_progress=on_progress)
    ids = {document.id for document in dataset.documents()}
    if not ids:
        raise RecordError(f"{dataset.corpus[0]} has no documents: expected one a line or row")
    relevant = {id_ for judged in dataset.qrels.values() for id_, relevance in judged.items() if relevance > 0}
    return result_of_run(run, dataset.qrels, len(ids), len(relevant - ids))


def search_fused(
    models: FusedModels,
    dataset: RetrievalDataset,
    *,
    depth: int = DEPTH,
    on_progress: Callable[[int], None] | None = None,
) -> Found:
    """Find the ``depth`` best documents of each query in the fused ranking; each model's ranking has as many.

    Returns:
        Query id to (document id, fused score) pairs, best first.
    """
    runs: dict[str, Run] = {}

    def shown(done: int) -> None:
        if on_progress:
            on_progress(done + len(runs) * documents)

    documents = dataset.count_documents() if on_progress else 0
    queries = dataset.queries
    fuse_ranks(dict.fromkeys(models.names, ()), weights=models.weights)  # bad weights fail before anything is encoded
    runs["dense"] = search_corpus(models.dense, queries, dataset.documents(), depth=depth, on_progress=shown)
    if models.bm25:
        words = WithRarity(models.bm25, (document.text for document in dataset.documents()))
        runs["bm25"] = search_sparse_corpus(words, queries, dataset.documents(), depth=depth, on_progress=shown)
    if models.sparse:
        runs["sparse"] = search_sparse_corpus(
            models.sparse, queries, dataset.documents(), depth=depth, on_progress=shown
        )
    if models.late:
        runs["late"] = search_by_max_sim(models.late, queries, dataset.documents(), depth=depth, on_progress=shown)
    return fuse_runs(runs, weights=models.weights, depth=depth)


def fuse_runs(runs: Mapping[str, Run], *, weights: Sequence[float] | None = None, depth: int = DEPTH) -> Found:
    """Fuse runs over the same queries by reciprocal rank.

    Args:
        runs: By the name of the ranking.
        weights: One for each, in their order; all 1 if None.
        depth: Most documents of a query.

    Raises:
        InvalidInputError: there is not one weight for each run, one is no number from 0 on, or all are 0.
    """
    fused = {}
    for query in next(iter(runs.values())):
        ranked = {name: [document for document, _ in run[query]] for name, run in runs.items()}
        # Of equal scores the larger id first, as metrics rank them.
        scored = sorted(fuse_ranks(ranked, weights=weights).items(), key=itemgetter(1, 0), reverse=True)
        fused[query] = scored[:depth]
    return fused


class WithRarity:
    """A sparse encoder whose words count in queries by their rarity in a corpus, as Qdrant counts BM25's (IDF).

    Args:
        encoder: Makes the vectors.
        texts: The corpus, read once.
    """

    def __init__(self, encoder: TextSparseEncoder, texts: Iterable[str]) -> None:
        self._encoder = encoder
        self._texts = 0
        self._containing: Counter[int] = Counter()
        for vector in encoder.stream_documents(texts):
            self._texts += 1
            self._containing.update(vector.indices.tolist())

    @property
    def fingerprint(self) -> str:
        """The encoder's: documents are encoded alike."""
        return self._encoder.fingerprint

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode documents as the encoder does."""
        return self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode queries; each word's weight is multiplied with its rarity."""
        return [self._weighted(vector) for vector in self._encoder.encode_queries(texts)]

    def stream_documents(self, texts: Iterable[str]) -> Iterator[SparseVector]:
        """Yield the vector of each document in input order."""
        return self._encoder.stream_documents(texts)

    def _weighted(self, vector: SparseVector) -> SparseVector:
        containing = np.array([self._containing[word] for word in vector.indices.tolist()], np.float64)
        rarity = np.log1p((self._texts - containing + 0.5) / (containing + 0.5))
        return SparseVector(vector.indices, (vector.values * rarity).astype(np.float32))
