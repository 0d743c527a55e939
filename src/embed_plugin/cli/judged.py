"""The part of ``evaluate`` that measures retrieval on judged data: each model alone, or fused with others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import embed_plugin
from embed_plugin.cli.reports.evaluate import Outcome
from embed_plugin.cli.reports.progress import Amount
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.cli.any_encoder import AnyEncoder
    from embed_plugin.cli.options.first_stage import FusedRankings
    from embed_plugin.evaluate import FusedModels, RetrievalDataset, RetrievalResult

    Show = Callable[[Amount], None]


def measure_retrieval(
    dataset: RetrievalDataset,
    encoders: Sequence[AnyEncoder],
    show: Show,
    *,
    rankings: FusedRankings,
    fused_sides: Sequence[bool],
) -> Outcome:
    """Measure models on the same queries.

    Args:
        dataset: Queries, judgements and corpus.
        encoders: The baseline first, if there is one.
        show: Shows progress.
        rankings: What is fused with a model's ranking.
        fused_sides: For each model, whether its ranking is fused.

    Raises:
        InvalidInputError: the ranking of another model than an embedding model is to be fused, or there is not one
            weight for each ranking.
    """
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    others: FusedModels | None = None
    results: list[RetrievalResult] = []
    for encoder, is_fused in zip(encoders, fused_sides, strict=True):
        if not is_fused:
            results.append(_evaluate(encoder, dataset, _shown(encoder, dataset.count_documents(), show)))
            continue
        dense = _dense(encoder)
        others = rankings.beside(dense) if others is None else replace(others, dense=dense)
        on_progress = _shown(encoder, len(others.names) * dataset.count_documents(), show)
        results.append(evaluation.evaluate_fused(others, dataset, on_progress=on_progress))
    sizes = {
        "queries": len(dataset.queries),
        "documents": results[0].documents,
        "missing_documents": results[0].missing_documents,
    }
    return Outcome(
        [result.means for result in results],
        evaluation.compare_retrieval(*results) if len(results) > 1 else (),
        evaluation.agreement(*results) if len(results) > 1 else (),
        sizes,
        dataset.split,
        fused={} if others is None else fused_facts(others),
    )


def fused_facts(models: FusedModels) -> dict[str, float]:
    """Return the weight of each ranking that is fused."""
    weights = [1.0] * len(models.names) if models.weights is None else models.weights
    return dict(zip(models.names, weights, strict=True))


def _dense(encoder: AnyEncoder) -> embed_plugin.Encoder:
    if not isinstance(encoder, embed_plugin.Encoder):
        found = f"{encoder.folder} is no embedding model, and --hybrid fuses the ranking of one with others"
        raise InvalidInputError(f"{found}: give an embedding model's folder, and this one with --sparse or --late")
    return encoder


def _evaluate(encoder: AnyEncoder, dataset: RetrievalDataset, on_progress: Callable[[int], None]) -> RetrievalResult:
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    if isinstance(encoder, embed_plugin.SparseEncoder):
        return evaluation.evaluate_sparse_retrieval(encoder, dataset, on_progress=on_progress)
    if isinstance(encoder, embed_plugin.LateInteractionEncoder):
        return evaluation.evaluate_late_interaction(encoder, dataset, on_progress=on_progress)
    return evaluation.evaluate_retrieval(encoder, dataset, on_progress=on_progress)


def _shown(encoder: AnyEncoder, total: int, show: Show) -> Callable[[int], None]:
    """Return a function that shows the count of texts that were encoded for this model's figures."""
    return lambda done: show(Amount(done, total, "text", encoder.folder.name))
