"""Measure a second stage: a reranker or token vectors rank anew the documents that a first stage found."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.evaluate.bm25 import Bm25Index
from embed_plugin.evaluate.datasets import Document
from embed_plugin.evaluate.fused import FusedModels, search_fused
from embed_plugin.evaluate.retrieval import (
    BLOCK_TOKENS,
    encoded_blocks,
    refuse_repeated_ids,
    result_of_run,
    search_corpus,
)
from embed_plugin.max_sim import score_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from embed_plugin.evaluate.datasets import RetrievalDataset
    from embed_plugin.evaluate.metrics import Run
    from embed_plugin.evaluate.retrieval import RetrievalResult
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder, TextReranker

CANDIDATES = 100
"""Documents that a reranker reads for a query, where nothing else is asked for."""


@dataclass(frozen=True)
class Candidates:
    """The documents that a first stage found for each judged query.

    Attributes:
        run: Query id to (document id, score) pairs of the first stage, best first.
        texts: Text of every document found, by id.
        documents: Documents in the corpus.
        missing_documents: Relevant documents that the corpus lacks.
    """

    run: Run
    texts: Mapping[str, str]
    documents: int
    missing_documents: int

    @property
    def pairs(self) -> int:
        """Pairs of a query and a document that a reranker scores."""
        return sum(map(len, self.run.values()))

    def first_stage(self, dataset: RetrievalDataset) -> RetrievalResult:
        """Return the metrics of the first stage alone."""
        return result_of_run(self.run, dataset.qrels, self.documents, self.missing_documents)


def find_candidates(
    dataset: RetrievalDataset, first_stage: TextEncoder | FusedModels | None = None, *, depth: int = CANDIDATES
) -> Candidates:
    """Find the documents that a reranker is to read.

    Args:
        dataset: Queries, judgements and corpus.
        first_stage: An embedding model, or several models whose rankings are fused; None: words alone.
        depth: Most documents of a query.

    Raises:
        InvalidInputError: the depth is below 1.
        RecordError: the corpus is empty, cannot be read, or has one document id twice.
    """
    if depth < 1:
        raise InvalidInputError(f"{depth} candidates, expected 1 or more")
    if first_stage is None:
        run = _search_words(dataset, depth)
    elif isinstance(first_stage, FusedModels):
        run = search_fused(first_stage, dataset, depth=depth)
    else:
        run = search_corpus(first_stage, dataset.queries, dataset.documents(), depth=depth)
    wanted = {document for found in run.values() for document, _ in found}
    missing = {id_ for judged in dataset.qrels.values() for id_, relevance in judged.items() if relevance > 0}
    texts: dict[str, str] = {}
    count = 0
    for document in dataset.documents():
        count += 1
        missing.discard(document.id)
        if document.id in wanted:
            texts[document.id] = document.text
    if not count:
        raise RecordError(f"{dataset.corpus[0]} has no documents: expected one a line or row")
    return Candidates(run, texts, count, len(missing))


def _search_words(dataset: RetrievalDataset, depth: int) -> dict[str, list[tuple[str, float]]]:
    """Find the documents with the words of each query; one with the query's own id is not found."""
    ids: list[str] = []

    def texts() -> Iterator[str]:
        for document in dataset.documents():
            ids.append(document.id)
            yield document.text

    index = Bm25Index(texts())
    refuse_repeated_ids(ids)
    rows = {document: row for row, document in enumerate(ids)}
    run = {}
    for query, text in dataset.queries.items():
        scores = index.scores(text)
        if query in rows:
            scores[rows[query]] = 0
        best = [int(row) for row in np.argsort(-scores, kind="stable")[:depth] if scores[row] > 0]
        run[query] = [(ids[row], float(scores[row])) for row in best]
    return run


def evaluate_reranker(
    reranker: TextReranker,
    dataset: RetrievalDataset,
    candidates: Candidates,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> RetrievalResult:
    """Rank the candidates of every judged query anew, and score the result.

    A document that the first stage did not find stays unfound, so recall@100 of 100 candidates is the first stage's.

    Args:
        reranker: The model.
        dataset: Queries and judgements.
        candidates: Of :func:`find_candidates`, on the same dataset.
        on_progress: Called after each query with the number of pairs scored so far.
    """
    run = {}
    done = 0
    for query, found in candidates.run.items():
        ids = [document for document, _ in found]
        scores = reranker.score(dataset.queries[query], [candidates.texts[document] for document in ids])
        # Of equal scores the larger id first, as metrics rank them.
        run[query] = sorted(zip(ids, map(float, scores), strict=True), key=itemgetter(1, 0), reverse=True)
        done += len(ids)
        if on_progress:
            on_progress(done)
    return result_of_run(run, dataset.qrels, candidates.documents, candidates.missing_documents)


def evaluate_max_sim_of(
    encoder: TextLateInteractionEncoder,
    dataset: RetrievalDataset,
    candidates: Candidates,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> RetrievalResult:
    """Rank the candidates of every judged query anew by max-sim, and score the result.

    Each document that is a candidate of some query is encoded once.

    Args:
        encoder: The late-interaction model.
        dataset: Queries and judgements.
        candidates: Of :func:`find_candidates`, on the same dataset.
        on_progress: Called after each document with the number encoded so far.
    """
    queries = dict(zip(candidates.run, encoder.encode_queries(_texts_of(dataset, candidates)), strict=True))
    wanted = {query: {document for document, _ in found} for query, found in candidates.run.items()}
    scored: dict[str, list[tuple[str, float]]] = {query: [] for query in queries}
    documents = [Document(id_, text) for id_, text in candidates.texts.items()]
    blocks = encoded_blocks(
        encoder.stream_documents, documents, on_progress, lambda held: sum(map(len, held)) >= BLOCK_TOKENS
    )
    for ids, block in blocks:
        for query, tokens in queries.items():
            rows = [row for row, id_ in enumerate(ids) if id_ in wanted[query]]
            scores = score_all([tokens], [block[row] for row in rows])[0]
            scored[query] += zip([ids[row] for row in rows], map(float, scores), strict=True)
    run = {query: sorted(found, key=itemgetter(1, 0), reverse=True) for query, found in scored.items()}
    return result_of_run(run, dataset.qrels, candidates.documents, candidates.missing_documents)


def _texts_of(dataset: RetrievalDataset, candidates: Candidates) -> list[str]:
    return [dataset.queries[query] for query in candidates.run]
