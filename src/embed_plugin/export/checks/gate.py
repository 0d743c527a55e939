"""The quality gate of an export: retrieval on the user's own data, before and after quantising."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol, TypeVar

from embed_plugin.evaluate import (
    agreement,
    compare_retrieval,
    evaluate_reranker,
    find_candidates,
    require_max_drop,
)
from embed_plugin.evaluate.reranking import CANDIDATES
from embed_plugin.export.int8.texts import GATE_QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.evaluate import RetrievalDataset, RetrievalResult
    from embed_plugin.protocols import TextReranker

Model_contra = TypeVar("Model_contra", contravariant=True)


class Evaluate(Protocol[Model_contra]):
    """Evaluates a model on a dataset."""

    def __call__(
        self, encoder: Model_contra, dataset: RetrievalDataset, /, *, on_progress: Callable[[int], None] | None = None
    ) -> RetrievalResult:
        """Encode, search exactly, and score; ``on_progress`` is called with the number of documents encoded so far."""


MOST_GATE_TEXTS = 300
"""Most queries, and most documents, of the dataset whose vectors are compared with fp32's one by one."""


def gate_texts(dataset: RetrievalDataset, calibrated_on: Sequence[str]) -> dict[str, list[str]]:
    """Sample the dataset's queries and documents as two kinds of text to compare the models on.

    The sample is the same every time. Texts that were calibrated on are left out.

    Raises:
        RecordError: a line of the corpus is not a document.
    """
    seen = set(calibrated_on)
    queries = [text for text in dict.fromkeys(dataset.queries.values()) if text not in seen]
    chosen = set(_sample(dataset.count_documents()))
    documents = [each.text for index, each in enumerate(dataset.documents()) if index in chosen]
    return {
        GATE_QUERIES: [queries[index] for index in _sample(len(queries))],
        "gate documents": [text for text in dict.fromkeys(documents) if text not in seen],
    }


def _sample(count: int) -> list[int]:
    """Draw at most :data:`MOST_GATE_TEXTS` different numbers below ``count``, in order."""
    return sorted(random.Random(0).sample(range(count), min(count, MOST_GATE_TEXTS)))  # noqa: S311 - no secret


def pass_gate(
    dataset: RetrievalDataset,
    fp32: Model_contra,
    quantised: Model_contra,
    *,
    evaluate: Evaluate[Model_contra],
    max_drop_percent: float,
    on_progress: Callable[[int, int], None],
) -> dict[str, object]:
    """Evaluate both models on a dataset and refuse a quantised one that lost too much.

    Args:
        dataset: Judged queries and a corpus.
        fp32: The model before quantising.
        quantised: The model after it.
        evaluate: Evaluates a model of this kind on a dataset.
        max_drop_percent: Largest allowed loss of nDCG@10, in per cent of the fp32 model's.
        on_progress: Called as ``(done, total)``.

    Returns:
        The figures, for the manifest: each metric of both models from 0 to 1, the drop in per cent, and the 95 %
        interval of the difference; the shares of answers that both models have in common, with theirs.

    Raises:
        QualityFloorError: nDCG@10 is lower by more than that; the message has the figures.
    """
    documents = dataset.count_documents()
    total = 2 * documents
    before = evaluate(fp32, dataset, on_progress=lambda done: on_progress(done, total))
    after = evaluate(quantised, dataset, on_progress=lambda done: on_progress(documents + done, total))
    return gate_figures(dataset, before, after, max_drop_percent=max_drop_percent)


def pass_reranking_gate(
    dataset: RetrievalDataset,
    fp32: TextReranker,
    quantised: TextReranker,
    *,
    max_drop_percent: float,
    on_progress: Callable[[int, int], None],
) -> dict[str, object]:
    """:func:`pass_gate` for rerankers: both rank what BM25 finds in the dataset's corpus."""
    candidates = find_candidates(dataset)
    total = 2 * candidates.pairs
    before = evaluate_reranker(fp32, dataset, candidates, on_progress=lambda done: on_progress(done, total))
    after = evaluate_reranker(
        quantised, dataset, candidates, on_progress=lambda done: on_progress(candidates.pairs + done, total)
    )
    first_stage = {"name": "bm25", "candidates": CANDIDATES, "metrics": candidates.first_stage(dataset).means}
    figures = gate_figures(dataset, before, after, max_drop_percent=max_drop_percent)
    return {**figures, "first_stage": first_stage}


def gate_figures(
    dataset: RetrievalDataset, before: RetrievalResult, after: RetrievalResult, *, max_drop_percent: float
) -> dict[str, object]:
    """Return the figures of a gate, for the manifest.

    Raises:
        QualityFloorError: nDCG@10 is lower by more than ``max_drop_percent``; the message has the figures.
    """
    differences = compare_retrieval(before, after)
    require_max_drop(differences[0], max_drop_percent)
    metrics = {
        each.metric: {
            "fp32": each.baseline,
            "quantised": each.model,
            "drop_percent": each.drop_percent,
            **asdict(each.interval),
        }
        for each in differences
    }
    return {
        "dataset": dataset.name,
        "documents": before.documents,
        "queries": len(dataset.queries),
        "max_drop_percent": max_drop_percent,
        "metrics": metrics,
        **{each.measure: {"value": each.value, "interval": asdict(each.interval)} for each in agreement(before, after)},
    }
