"""The quality gate of an export: retrieval on the user's own data, before and after quantising."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from embed_plugin.evaluate import agreement, compare_retrieval, evaluate_retrieval, require_max_drop

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.evaluate import RetrievalDataset
    from embed_plugin.protocols import TextEncoder


def pass_gate(
    dataset: RetrievalDataset,
    fp32: TextEncoder,
    quantised: TextEncoder,
    *,
    max_drop_percent: float,
    on_progress: Callable[[int, int], None],
) -> dict[str, object]:
    """Evaluate both models on a dataset and refuse a quantised one that lost too much.

    Args:
        dataset: Judged queries and a corpus.
        fp32: The model before quantising.
        quantised: The model after it.
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
    before = evaluate_retrieval(fp32, dataset, on_progress=lambda done: on_progress(done, total))
    after = evaluate_retrieval(quantised, dataset, on_progress=lambda done: on_progress(documents + done, total))
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
        "documents": documents,
        "queries": len(dataset.queries),
        "max_drop_percent": max_drop_percent,
        "metrics": metrics,
        **{each.measure: {"value": each.value, "interval": asdict(each.interval)} for each in agreement(before, after)},
    }
