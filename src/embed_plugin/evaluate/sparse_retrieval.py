"""Search a corpus of sparse vectors exactly while it is encoded, by inverted lists, and score the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.evaluate.retrieval import BLOCK_DOCUMENTS, DEPTH, best_of_blocks, encoded_blocks, evaluate_search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.evaluate.datasets import Document, RetrievalDataset
    from embed_plugin.evaluate.retrieval import RetrievalResult
    from embed_plugin.protocols import TextSparseEncoder
    from embed_plugin.types import SparseVector


def evaluate_sparse_retrieval(
    encoder: TextSparseEncoder, dataset: RetrievalDataset, *, on_progress: Callable[[int], None] | None = None
) -> RetrievalResult:
    """Encode the judged queries and the corpus, search exactly by the dot product, and score the results.

    Args:
        encoder: The model.
        dataset: Queries, judgements and corpus.
        on_progress: Called after each document with the number encoded so far.

    Raises:
        RecordError: the corpus is empty, cannot be read, or has one document id twice.
    """
    return evaluate_search(encoder, search_sparse_corpus, dataset, on_progress=on_progress)


def search_sparse_corpus(
    encoder: TextSparseEncoder,
    queries: Mapping[str, str],
    documents: Iterable[Document],
    *,
    depth: int = DEPTH,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, list[tuple[str, float]]]:
    """Find the ``depth`` documents of the highest score for each query, in memory that does not grow with the corpus.

    A document that shares no word with a query is not found, and neither is one with the query's own id.

    Returns:
        Query id to (document id, dot product) pairs, best first.

    Raises:
        RecordError: one document id was found twice for a query.
    """
    vectors = encoder.encode_queries(list(queries.values()))
    blocks = encoded_blocks(encoder.stream_documents, documents, on_progress, lambda held: len(held) == BLOCK_DOCUMENTS)
    return best_of_blocks(queries, blocks, lambda block: _scores(vectors, InvertedLists(block)), depth)


class InvertedLists:
    """The vectors of some documents, by word: the documents that have it, and its weight in each."""

    def __init__(self, vectors: Sequence[SparseVector]) -> None:
        words = np.concatenate([vector.indices for vector in vectors])
        order = np.argsort(words, kind="stable")
        self.documents = len(vectors)
        self._words, self._firsts = np.unique(words[order], return_index=True)
        self._ends = np.append(self._firsts[1:], len(words))
        self._of_word = np.repeat(np.arange(len(vectors)), [len(vector) for vector in vectors])[order]
        self._weights = np.concatenate([vector.values for vector in vectors])[order].astype(np.float64)

    def scores(self, query: SparseVector) -> npt.NDArray[np.float64]:
        """Return the dot product of a query with each document, summed in float64 in the order of the words."""
        scores = np.zeros(self.documents)
        shared, places, own = np.intersect1d(self._words, query.indices, assume_unique=True, return_indices=True)
        del shared
        for place, weight in zip(places, query.values[own].astype(np.float64), strict=True):
            part = slice(self._firsts[place], self._ends[place])
            scores[self._of_word[part]] += weight * self._weights[part]  # no document is there twice
        return scores


def _scores(queries: Sequence[SparseVector], lists: InvertedLists) -> npt.NDArray[np.float32]:
    """The scores ``(queries, documents)``, minus infinity where no word is shared: weights are above 0."""
    scores = np.stack([lists.scores(query) for query in queries])
    return np.where(scores > 0, scores, -np.inf).astype(np.float32)
