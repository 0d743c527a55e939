"""Measure a model's quality: retrieval and similarity metrics, and the confidence interval of a difference.

Example:
    >>> from embed_plugin import Encoder
    >>> from embed_plugin.evaluate import evaluate_retrieval, read_retrieval_dataset
    >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
    >>> evaluate_retrieval(encoder, read_retrieval_dataset("scifact")).means["ndcg@10"]  # doctest: +SKIP
    0.6451
"""

from embed_plugin.evaluate.bootstrap import (
    Interval,
    bootstrap_mean,
    bootstrap_mean_difference,
    bootstrap_spearman_difference,
)
from embed_plugin.evaluate.comparison import Difference, compare_retrieval, compare_similarity, require_max_drop
from embed_plugin.evaluate.datasets import Document, RetrievalDataset, read_retrieval_dataset
from embed_plugin.evaluate.first_answers import Agreement, agreement
from embed_plugin.evaluate.fused import FusedModels, evaluate_fused, fuse_runs, search_fused
from embed_plugin.evaluate.metrics import Qrels, Run, ndcg, rank_documents, recall, reciprocal_rank, score_run, spearman
from embed_plugin.evaluate.read.layout import holds_retrieval
from embed_plugin.evaluate.reranking import Candidates, evaluate_max_sim_of, evaluate_reranker, find_candidates
from embed_plugin.evaluate.retrieval import (
    RetrievalResult,
    evaluate_late_interaction,
    evaluate_retrieval,
    search_by_max_sim,
    search_corpus,
)
from embed_plugin.evaluate.sentence_pairs import SentencePair, read_sentence_pairs
from embed_plugin.evaluate.similarity import SimilarityResult, evaluate_similarity
from embed_plugin.evaluate.sparse_retrieval import evaluate_sparse_retrieval, search_sparse_corpus

__all__ = [
    "Agreement",
    "Candidates",
    "Difference",
    "Document",
    "FusedModels",
    "Interval",
    "Qrels",
    "RetrievalDataset",
    "RetrievalResult",
    "Run",
    "SentencePair",
    "SimilarityResult",
    "agreement",
    "bootstrap_mean",
    "bootstrap_mean_difference",
    "bootstrap_spearman_difference",
    "compare_retrieval",
    "compare_similarity",
    "evaluate_fused",
    "evaluate_late_interaction",
    "evaluate_max_sim_of",
    "evaluate_reranker",
    "evaluate_retrieval",
    "evaluate_similarity",
    "evaluate_sparse_retrieval",
    "find_candidates",
    "fuse_runs",
    "holds_retrieval",
    "ndcg",
    "rank_documents",
    "read_retrieval_dataset",
    "read_sentence_pairs",
    "recall",
    "reciprocal_rank",
    "require_max_drop",
    "score_run",
    "search_by_max_sim",
    "search_corpus",
    "search_fused",
    "search_sparse_corpus",
    "spearman",
]
