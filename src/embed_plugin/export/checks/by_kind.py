"""Compare and gate the models of each kind: what they give differs, and so does how it is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.encode import Encoder, LateInteractionEncoder, Reranker, SparseEncoder
from embed_plugin.evaluate import evaluate_late_interaction, evaluate_retrieval, evaluate_sparse_retrieval
from embed_plugin.export.checks.compare import Comparison, compare
from embed_plugin.export.checks.compare_scores import ScoreComparison, compare_scores
from embed_plugin.export.checks.compare_sparse import compare_sparse
from embed_plugin.export.checks.gate import pass_gate, pass_reranking_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.evaluate import RetrievalDataset
    from embed_plugin.types import Kind

    TokenIdArrays = Sequence[npt.NDArray[np.int64]]


def compare_models(
    kind: Kind, reference: Path, candidate: Path, inputs: Mapping[str, TokenIdArrays]
) -> Comparison | ScoreComparison:
    """Compare the models of two folders on the same token ids, one ``(1, length)`` array per text, by kind of text.

    Args:
        kind: Kind of both models.
        reference: The folder of the fp32 model.
        candidate: The folder of the INT8 model.
        inputs: Token ids of each text, by kind of text.

    Raises:
        ExportError: a result holds NaN or infinity.
    """
    if kind == "reranker":
        return compare_scores(reference, candidate, inputs)
    if kind == "sparse":
        return compare_sparse(reference, candidate, inputs)
    return compare(reference, candidate, inputs, kind)


def gate_models(
    kind: Kind,
    dataset: RetrievalDataset,
    folders: tuple[Path, Path],
    *,
    max_drop_percent: float,
    on_progress: Callable[[int, int], None],
) -> dict[str, object]:
    """Evaluate the fp32 and the INT8 model on a dataset and return the figures, for the manifest.

    Args:
        kind: Kind of both models.
        dataset: Judged queries and a corpus.
        folders: Of the model before quantising, and of the model after it.
        max_drop_percent: Largest allowed loss of nDCG@10, in per cent of the fp32 model's.
        on_progress: Called as ``(done, total)``.

    Raises:
        QualityFloorError: nDCG@10 is lower by more than that.
    """
    fp32, int8 = folders
    if kind == "reranker":
        rerankers = Reranker.load(fp32), Reranker.load(int8)
        return pass_reranking_gate(dataset, *rerankers, max_drop_percent=max_drop_percent, on_progress=on_progress)
    if kind == "sparse":
        sparse = SparseEncoder.load(fp32), SparseEncoder.load(int8)
        search = evaluate_sparse_retrieval
        return pass_gate(dataset, *sparse, evaluate=search, max_drop_percent=max_drop_percent, on_progress=on_progress)
    if kind == "late-interaction":
        late = LateInteractionEncoder.load(fp32), LateInteractionEncoder.load(int8)
        max_sim = evaluate_late_interaction
        return pass_gate(dataset, *late, evaluate=max_sim, max_drop_percent=max_drop_percent, on_progress=on_progress)
    dense = Encoder.load(fp32), Encoder.load(int8)
    cosine = evaluate_retrieval
    return pass_gate(dataset, *dense, evaluate=cosine, max_drop_percent=max_drop_percent, on_progress=on_progress)
