"""The part of ``evaluate`` that measures second stages: rerankers, and token vectors of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

import embed_plugin
from embed_plugin.cli.any_encoder import kinds_of
from embed_plugin.cli.judged import fused_facts
from embed_plugin.cli.reports.evaluate import Outcome
from embed_plugin.cli.reports.progress import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embed_plugin.cli.any_encoder import SecondStage
    from embed_plugin.cli.options.first_stage import FirstStage, FusedRankings
    from embed_plugin.evaluate import Candidates, FusedModels, RetrievalDataset, RetrievalResult


def is_second_stage(folder: Path, options: FirstStage) -> bool:
    """Tell if a model is to rank what was found: a reranker is, and token vectors where a first stage is named.

    Raises:
        ModelFolderError: it is no model folder.
    """
    kinds = kinds_of(folder)
    return kinds[0] == "reranker" or ("late-interaction" in kinds and options.first_stage is not None)


def measure_reranking(
    dataset: RetrievalDataset,
    models: Sequence[SecondStage],
    options: FirstStage,
    show: Callable[[Amount], None],
    *,
    rankings: FusedRankings | None = None,
) -> Outcome:
    """Measure second stages on the same candidates, and the first stage that found them.

    Args:
        dataset: Queries, judgements and corpus.
        models: The baseline first, if there is one.
        options: The first stage.
        show: Shows progress.
        rankings: What is fused with the first stage's ranking; None: it is alone.
    """
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy
    from embed_plugin.evaluate.reranking import CANDIDATES  # noqa: PLC0415 - the same

    show(Amount(step="first stage"))
    encoder = _first_stage(options, rankings)
    depth = options.candidates or CANDIDATES
    candidates = evaluation.find_candidates(dataset, encoder, depth=depth)
    results = [_evaluate(model, dataset, candidates, show) for model in models]
    sizes = {
        "queries": len(dataset.queries),
        "documents": candidates.documents,
        "missing_documents": candidates.missing_documents,
        "pairs": candidates.pairs,
    }
    return Outcome(
        [result.means for result in results],
        evaluation.compare_retrieval(*results) if len(results) > 1 else (),
        evaluation.agreement(*results) if len(results) > 1 else (),
        sizes,
        dataset.split,
        {
            **_named(encoder, options),
            "candidates": depth,
            "metrics": dict(candidates.first_stage(dataset).means),
        },
    )


def _first_stage(options: FirstStage, rankings: FusedRankings | None) -> embed_plugin.Encoder | FusedModels | None:
    if options.first_stage is None:
        if rankings is not None:
            message = "--hybrid fuses the ranking of an embedding model with others: name it with --first-stage"
            raise typer.BadParameter(message)
        return None
    encoder = embed_plugin.Encoder.load(options.first_stage)
    return encoder if rankings is None else rankings.beside(encoder)


def _named(encoder: embed_plugin.Encoder | FusedModels | None, options: FirstStage) -> dict[str, Any]:
    """Return the first stage's name, and the weights of the rankings where some are fused."""
    if options.first_stage is None or encoder is None:
        return {"name": "BM25"}
    if isinstance(encoder, embed_plugin.Encoder):
        return {"name": encoder.folder.name}
    others = ", ".join(encoder.names[1:])
    return {"name": f"{options.first_stage.name} fused with {others}", "fused": fused_facts(encoder)}


def _evaluate(
    model: SecondStage, dataset: RetrievalDataset, candidates: Candidates, show: Callable[[Amount], None]
) -> RetrievalResult:
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    if isinstance(model, embed_plugin.LateInteractionEncoder):
        shown = _shown(model, len(candidates.texts), "text", show)
        return evaluation.evaluate_max_sim_of(model, dataset, candidates, on_progress=shown)
    shown = _shown(model, candidates.pairs, "pair", show)
    return evaluation.evaluate_reranker(model, dataset, candidates, on_progress=shown)


def _shown(model: SecondStage, total: int, unit: str, show: Callable[[Amount], None]) -> Callable[[int], None]:
    """Return a function that shows how much this model has done."""
    return lambda done: show(Amount(done, total, unit, model.folder.name))
