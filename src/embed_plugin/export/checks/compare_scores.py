"""Compare a quantised reranker's scores with the fp32 model's, by kind of text, on pairs it was not calibrated on.

A score has no scale of its own: what matters is the order of texts, and how large an error is beside the spread of
scores. So the floor is on the rank correlation, and errors are given as parts of the spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import QualityFloorError
from embed_plugin.evaluate.metrics import spearman
from embed_plugin.export.checks.compare import encode_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    TokenIdArrays = Sequence[npt.NDArray[np.int64]]

NO_SPREAD = 1e-12
"""A standard deviation up to here is none: all scores are equal."""


@dataclass(frozen=True)
class KindOfScores:
    """Errors of one kind of text.

    Attributes:
        kind: Its name.
        pairs: Number of pairs compared; none was used for calibration.
        error: Root of the mean squared difference to fp32's logits, as a part of the spread of all kinds.
        largest_error: The largest difference, as a part of it.
    """

    kind: str
    pairs: int
    error: float
    largest_error: float


@dataclass(frozen=True)
class ScoreComparison:
    """The comparison of all pairs together, and of each kind.

    Attributes:
        pairs: Number of pairs of all kinds.
        rank_correlation: Spearman's, of both models' logits.
        correlation: Pearson's.
        spread: Standard deviation of the fp32 model's logits.
        error: Root of the mean squared difference, as a part of the spread.
        kinds: The same by kind.
    """

    pairs: int
    rank_correlation: float
    correlation: float
    spread: float
    error: float
    kinds: list[KindOfScores]

    def require(self, floor: float) -> None:
        """Refuse a model that ranks texts too differently.

        Raises:
            QualityFloorError: the rank correlation is below the floor; the message has the figures of the worst kind.
        """
        if not self.rank_correlation >= floor:  # written so that NaN is refused
            worst = max(self.kinds, key=lambda each: each.error)
            kind = f"the largest errors are of the kind {worst.kind!r} ({worst.error:.3f} of the spread)"
            found = f"the INT8 model's rank correlation with fp32 is {self.rank_correlation:.4f} on {self.pairs} pairs"
            remedy = "calibrate on text like yours (--calibration), keep fp32 (--precision fp32), or lower --min-cosine"
            raise QualityFloorError(f"{found}, below the floor of {floor}; {kind}: {remedy}")


def compare_scores(reference: Path, candidate: Path, inputs: Mapping[str, TokenIdArrays]) -> ScoreComparison:
    """Compare the rerankers of two folders on the same token ids, one ``(1, length)`` array per pair, by kind.

    Raises:
        ExportError: a score is NaN or infinite.
    """
    ids = list(chain.from_iterable(inputs.values()))
    scores, expected = (
        np.array([row[0] for row in encode_all(folder, ids, "reranker")], np.float64)
        for folder in (candidate, reference)
    )
    spread = float(expected.std())
    if spread <= NO_SPREAD or float(scores.std()) <= NO_SPREAD:
        message = "all pairs have the same score, of fp32 or of INT8, so neither ranks texts"
        raise QualityFloorError(f"{message}: the checkpoint is damaged, fetch it again")
    errors = (scores - expected) / spread
    ends = np.cumsum([len(each) for each in inputs.values()])
    parts = zip(inputs, np.split(errors, ends[:-1]), strict=True)
    return ScoreComparison(
        pairs=len(scores),
        rank_correlation=spearman(scores, expected),
        correlation=float(np.corrcoef(scores, expected)[0, 1]),
        spread=spread,
        error=_root_mean_square(errors),
        kinds=[KindOfScores(kind, len(part), _root_mean_square(part), float(abs(part).max())) for kind, part in parts],
    )


def _root_mean_square(errors: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))
