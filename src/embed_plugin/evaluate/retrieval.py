"""Search a corpus exactly while it is encoded, and score the results."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.metrics import score_run
from embed_plugin.evaluate.top_k import TopK
from embed_plugin.max_sim import score_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.evaluate.datasets import Document, RetrievalDataset
    from embed_plugin.evaluate.metrics import Qrels, Run
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder

DEPTH = 100
"""Documents kept for each query: recall@100 needs them."""

BLOCK_DOCUMENTS = 1024
"""Document vectors held at a time."""

BLOCK_TOKENS = 1 << 16
"""Token vectors of documents held at a time, and those of one more document: 32 MB for 128 values each."""

Found: TypeAlias = "dict[str, list[tuple[str, float]]]"
"""Query id to (document id, score) pairs, best first."""

Model_contra = TypeVar("Model_contra", contravariant=True)
Encoded = TypeVar("Encoded")


class Search(Protocol[Model_contra]):
    """Encodes queries and documents, and finds the best documents of each query."""

    def __call__(
        self,
        encoder: Model_contra,
        queries: Mapping[str, str],
        documents: Iterable[Document],
        /,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> Found:
        """Search; ``on_progress`` is called after each document with the number encoded so far."""


@dataclass(frozen=True)
class RetrievalResult:
    """The metrics of a model on a dataset.

    Attributes:
        per_query: Query id to metric name (``ndcg@10``, ``recall@100``, ``mrr@10``) to value, 0 to 1.
        means: The mean of each metric over the judged queries.
        documents: Documents in the corpus.
        missing_documents: Relevant documents that the corpus lacks; each counts as not found.
        first_ten: Query id to the ids of the first ten documents, best first; fewer where the corpus has fewer.
    """

    per_query: Mapping[str, Mapping[str, float]]
    means: Mapping[str, float]
    documents: int
    missing_documents: int
    first_ten: Mapping[str, tuple[str, ...]]


def evaluate_retrieval(
    encoder: TextEncoder, dataset: RetrievalDataset, *, on_progress: Callable[[int], None] | None = None
) -> RetrievalResult:
    """Encode the judged queries and the corpus, search exactly, and score the results.

    Args:
        encoder: The model.
        dataset: Queries, judgements and corpus.
        on_progress: Called after each document with the number encoded so far.

    Raises:
        RecordError: the corpus is empty, cannot be read, or has one document id twice.
    """
    return evaluate_search(encoder, search_corpus, dataset, on_progress=on_progress)


def evaluate_late_interaction(
    encoder: TextLateInteractionEncoder, dataset: RetrievalDataset, *, on_progress: Callable[[int], None] | None = None
) -> RetrievalResult:
    """:func:`evaluate_retrieval` by max-sim over the whole corpus."""
    return evaluate_search(encoder, search_by_max_sim, dataset, on_progress=on_progress)


def evaluate_search(
    encoder: Model_contra,
    search: Search[Model_contra],
    dataset: RetrievalDataset,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> RetrievalResult:
    """Search a dataset's corpus for its judged queries, and score the results.

    Args:
        encoder: The model.
        search: Encodes and searches: :func:`search_corpus`, or another one for another kind of model.
        dataset: Queries, judgements and corpus.
        on_progress: Called after each document with the number encoded so far.

    Raises:
        RecordError: the corpus is empty, cannot be read, or has one document id twice.
    """
    seen = 0
    missing = {id_ for judged in dataset.qrels.values() for id_, relevance in judged.items() if relevance > 0}

    def documents() -> Iterator[Document]:
        nonlocal seen
        for document in dataset.documents():
            seen += 1
            missing.discard(document.id)
            yield document

    run = search(encoder, dataset.queries, documents(), on_progress=on_progress)
    if not seen:
        raise RecordError(f"{dataset.corpus[0]} has no documents: expected one a line or row")
    return result_of_run(run, dataset.qrels, seen, len(missing))


def result_of_run(run: Run, qrels: Qrels, documents: int, missing_documents: int) -> RetrievalResult:
    """Score a run.

    Args:
        run: Of every judged query, best first.
        qrels: The judgements.
        documents: Documents in the corpus.
        missing_documents: Relevant ones that it lacks.
    """
    per_query = score_run(run, qrels)
    names = next(iter(per_query.values()))
    means = {name: float(np.mean([metrics[name] for metrics in per_query.values()])) for name in names}
    first_ten = {query: tuple(document for document, _ in run[query][:10]) for query in per_query}
    return RetrievalResult(per_query, means, documents, missing_documents, first_ten)


def search_corpus(
    encoder: TextEncoder,
    queries: Mapping[str, str],
    documents: Iterable[Document],
    *,
    depth: int = DEPTH,
    on_progress: Callable[[int], None] | None = None,
) -> Found:
    """Find the ``depth`` documents nearest to each query by cosine, in memory that does not grow with the corpus.

    A document with the query's own id is not found, as in BEIR (in some of its datasets the queries are documents).

    Returns:
        Query id to (document id, cosine) pairs, best first.

    Raises:
        RecordError: one document id was found twice for a query.
    """
    vectors = encoder.encode_queries(list(queries.values())).astype(np.float64)

    def score(block: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        # Summed in float64: a float32 product rounds a document differently by its place, and breaks ties by it.
        return np.asarray(vectors @ np.stack(block).T.astype(np.float64), np.float32)

    blocks = encoded_blocks(encoder.stream_documents, documents, on_progress, lambda held: len(held) == BLOCK_DOCUMENTS)
    return best_of_blocks(queries, blocks, score, depth)


def search_by_max_sim(
    encoder: TextLateInteractionEncoder,
    queries: Mapping[str, str],
    documents: Iterable[Document],
    *,
    depth: int = DEPTH,
    on_progress: Callable[[int], None] | None = None,
) -> Found:
    """:func:`search_corpus` with late interaction: every document is scored for every query, block by block."""
    vectors = encoder.encode_queries(list(queries.values()))
    blocks = encoded_blocks(
        encoder.stream_documents, documents, on_progress, lambda held: sum(map(len, held)) >= BLOCK_TOKENS
    )
    return best_of_blocks(queries, blocks, lambda block: score_all(vectors, block), depth)


def best_of_blocks(
    queries: Mapping[str, str],
    blocks: Iterable[tuple[list[str], list[Encoded]]],
    score: Callable[[Sequence[Encoded]], npt.NDArray[np.float32]],
    depth: int,
) -> Found:
    """Score block by block, and keep the best documents of each query.

    Args:
        queries: Query id to text.
        blocks: The documents' ids, and what they were encoded to.
        score: Scores a block for every query, ``(queries, documents)``; minus infinity where nothing is found.
        depth: Documents kept for each query.

    Raises:
        RecordError: one document id was found twice for a query.
    """
    rows = {query: row for row, query in enumerate(queries)}
    best = TopK(len(rows), k=depth)
    for ids, block in blocks:
        scores = score(block)
        for column, document in enumerate(ids):
            if document in rows:
                scores[rows[document], column] = -np.inf
        best.add(scores, ids)
    run = {query: best.ranked(row) for query, row in rows.items()}
    for found in run.values():
        refuse_repeated_ids([document for document, _ in found])
    return run


def encoded_blocks(
    encode: Callable[[Iterator[str]], Iterator[Encoded]],
    documents: Iterable[Document],
    on_progress: Callable[[int], None] | None,
    is_full: Callable[[Sequence[Encoded]], bool],
) -> Iterator[tuple[list[str], list[Encoded]]]:
    """Encode the documents in blocks: their ids, and what they were encoded to."""
    waiting: deque[str] = deque()

    def texts() -> Iterator[str]:
        for document in documents:
            waiting.append(document.id)
            yield document.text

    ids: list[str] = []
    held: list[Encoded] = []
    for done, vectors in enumerate(encode(texts()), 1):
        ids.append(waiting.popleft())
        held.append(vectors)
        if on_progress:
            on_progress(done)
        if is_full(held):
            yield ids, held
            ids, held = [], []
    if held:
        yield ids, held


def refuse_repeated_ids(ids: list[str]) -> None:
    """Refuse ids of documents of which one is there twice.

    Raises:
        RecordError: one is.
    """
    if len(set(ids)) < len(ids):
        repeated = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise RecordError(f"the corpus has the document id {repeated!r} more than once: give each document its own")
