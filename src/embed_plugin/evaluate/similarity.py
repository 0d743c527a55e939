"""Correlate the cosine of two sentences with their human-rated similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.evaluate.metrics import spearman

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from embed_plugin.evaluate.sentence_pairs import SentencePair
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors


@dataclass(frozen=True)
class SimilarityResult:
    """The agreement of a model's cosines with the judged similarities.

    Attributes:
        spearman: Spearman's rank correlation of cosine and judged score, -1 to 1.
        cosines: float64 ``(pairs,)``.
        scores: float64 ``(pairs,)``, the judged similarities.
    """

    spearman: float
    cosines: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


def evaluate_similarity(
    encoder: TextEncoder, pairs: Sequence[SentencePair], *, on_progress: Callable[[int], None] | None = None
) -> SimilarityResult:
    """Encode both sentences of each pair as documents and correlate their cosine with the judged score.

    Args:
        encoder: The model.
        pairs: At least two, with scores that differ.
        on_progress: Called after each sentence with the number encoded so far.

    Raises:
        InvalidInputError: all scores, or all cosines, are equal.
    """
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    vectors = _encode(encoder, texts, on_progress).astype(np.float64)
    cosines = np.sum(vectors[0::2] * vectors[1::2], axis=1)
    scores = np.array([pair.score for pair in pairs], dtype=np.float64)
    return SimilarityResult(spearman(cosines, scores), cosines, scores)


def _encode(encoder: TextEncoder, texts: Sequence[str], on_progress: Callable[[int], None] | None) -> Vectors:
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    for row, vector in enumerate(encoder.stream_documents(texts)):
        vectors[row] = vector
        if on_progress:
            on_progress(row + 1)
    return vectors
