"""Retrieval metrics as trec_eval computes them, and Spearman's rank correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

Run: TypeAlias = Mapping[str, Sequence[tuple[str, float]]]
"""Query id to (document id, score) pairs, one per document."""

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Query id to the judged relevance of documents by id; above 0 is relevant."""


def rank_documents(scored: Sequence[tuple[str, float]]) -> list[str]:
    """Document ids by falling score; of equal scores, the larger id first.

    That is trec_eval's order (``comp_sim_docno`` in its ``form_res_rels.c``): ids compare as strings, so ``"9"``
    comes before ``"10"``. The order in which a run lists its documents means nothing.
    """
    return [document for document, _ in sorted(scored, key=lambda pair: (pair[1], pair[0]), reverse=True)]


def ndcg(ranking: Sequence[str], judged: Mapping[str, int], *, depth: int = 10) -> float:
    """Normalised discounted cumulative gain of the first ``depth`` documents, 0 to 1.

    The gain is the relevance itself, the discount ``log2(rank + 1)``, as trec_eval's ``ndcg_cut`` has it (Järvelin
    and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with that discount).
    The ideal ranking is made of all judged documents, found or not. 0 where nothing is relevant.
    """
    ideal = _discounted_gain(sorted(judged.values(), reverse=True)[:depth])
    found = _discounted_gain([judged.get(document, 0) for document in ranking[:depth]])
    return found / ideal if ideal else 0.0


def _discounted_gain(relevances: Sequence[int]) -> float:
    return sum(max(relevance, 0) / math.log2(rank + 1) for rank, relevance in enumerate(relevances, 1))


def recall(ranking: Sequence[str], judged: Mapping[str, int], *, depth: int = 100) -> float:
    """Share of the relevant documents among the first ``depth``; 0 where nothing is relevant.

    trec_eval's ``recall`` at a cutoff: a judged document that was never found counts as missed.
    """
    relevant = {document for document, relevance in judged.items() if relevance > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judged: Mapping[str, int], *, depth: int = 10) -> float:
    """One over the rank of the first relevant document, 0 when it is not among the first ``depth``.

    trec_eval's ``recip_rank``, cut as MS MARCO's official MRR@10 is.
    """
    ranks = (rank for rank, document in enumerate(ranking[:depth], 1) if judged.get(document, 0) > 0)
    return 1 / next(ranks, math.inf)


def score_run(run: Run, qrels: Qrels) -> dict[str, dict[str, float]]:
    """``ndcg@10``, ``recall@100`` and ``mrr@10`` of every judged query.

    A judged query that the run lacks scores 0, as with trec_eval's ``-c``.

    Returns:
        Query id to metric name to value, 0 to 1, in the order of ``qrels``.
    """
    rankings = {query: rank_documents(run.get(query, ())) for query in qrels}
    return {
        query: {
            "ndcg@10": ndcg(ranking, qrels[query]),
            "recall@100": recall(ranking, qrels[query]),
            "mrr@10": reciprocal_rank(ranking, qrels[query]),
        }
        for query, ranking in rankings.items()
    }


def spearman(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    """Spearman's rank correlation, -1 to 1: Pearson's correlation of the ranks, equal values sharing their mean rank.

    Args:
        x: ``(n,)``.
        y: ``(n,)``.

    Raises:
        InvalidInputError: the lengths differ, a value is NaN, or all values of one side are equal.
    """
    if x.shape != y.shape or x.ndim != 1:
        raise InvalidInputError(f"expected two rows of numbers of one length, found shapes {x.shape} and {y.shape}")
    first, second = (_centred_ranks(values) for values in (x, y))
    spread = math.sqrt(float(first @ first) * float(second @ second))
    if not spread:
        raise InvalidInputError("all values of one side are equal, and those have no rank correlation: give others")
    return float(first @ second) / spread


def _centred_ranks(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Ranks less their mean ``(n + 1) / 2``; halves, so that sums of their squares are exact."""
    if np.isnan(values).any():
        raise InvalidInputError("found NaN, which has no rank: leave such pairs out")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(mean_ranks[inverse] - (len(values) + 1) / 2, dtype=np.float64)
