"""The part of ``evaluate`` that measures rerankers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import embed_plugin
from embed_plugin.cli.reports.evaluate import Outcome
from embed_plugin.cli.reports.progress import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embed_plugin import Reranker
    from embed_plugin.cli.options.first_stage import FirstStage
    from embed_plugin.evaluate import RetrievalDataset


def is_reranker(folder: Path) -> bool:
    """Tell if a model folder is a reranker's.

    Raises:
        ModelFolderError: it is no model folder.
    """
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy

    return embed_plugin.read_model_folder(find_model_folder(folder)).kinds[0] == "reranker"


def measure_reranking(
    dataset: RetrievalDataset, rerankers: Sequence[Reranker], options: FirstStage, show: Callable[[Amount], None]
) -> Outcome:
    """Measure rerankers on the same candidates, and the first stage that found them."""
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy
    from embed_plugin.evaluate.reranking import CANDIDATES  # noqa: PLC0415 - the same

    show(Amount(step="first stage"))
    encoder = None if options.first_stage is None else embed_plugin.Encoder.load(options.first_stage)
    depth = options.candidates or CANDIDATES
    candidates = evaluation.find_candidates(dataset, encoder, depth=depth)
    results = []
    for reranker in rerankers:
        on_progress = _shown(reranker, candidates.pairs, show)
        results.append(evaluation.evaluate_reranker(reranker, dataset, candidates, on_progress=on_progress))
    sizes = {
        "queries": len(dataset.queries),
        "documents": candidates.documents,
        "missing_documents": candidates.missing_documents,
        "pairs": candidates.pairs,
    }
    name = "BM25" if encoder is None else encoder.folder.name
    return Outcome(
        [result.means for result in results],
        evaluation.compare_retrieval(*results) if len(results) > 1 else (),
        evaluation.agreement(*results) if len(results) > 1 else (),
        sizes,
        dataset.split,
        {"name": name, "candidates": depth, "metrics": dict(candidates.first_stage(dataset).means)},
    )


def _shown(reranker: Reranker, total: int, show: Callable[[Amount], None]) -> Callable[[int], None]:
    """Return a function that shows the count of pairs that this reranker has scored."""
    return lambda done: show(Amount(done, total, "pair", reranker.folder.name))
