"""Compare an INT8 sparse encoder with fp32, by kind of text: cosines of vectors, and the share of words that stay."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.checks.compare import Comparison, compare_kind, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.types import Kind, Rows

    TokenIdArrays = Sequence[npt.NDArray[np.int64]]

FIRST_WORDS = 20
"""Words of the largest weights whose share is counted."""

AT_ONCE = 64
"""Texts whose rows are held: of 250,002 words they are 64 MB of each model."""


@dataclass(frozen=True)
class SparseComparison(Comparison):
    """A comparison, and the share of words.

    Attributes:
        first_words_kept: Of the :data:`FIRST_WORDS` largest words of a text in fp32, the share that is among those of
            INT8 too; the mean of all texts.
        mean_words: Mean number of words of a text in fp32.
        mean_words_quantised: The same in INT8.
    """

    first_words_kept: float = 1.0
    mean_words: float = 0.0
    mean_words_quantised: float = 0.0


def compare_sparse(
    reference: Path, candidate: Path, inputs: Mapping[str, TokenIdArrays], *, dropped: Sequence[int] = ()
) -> SparseComparison:
    """Compare the models of two folders on the same token ids, one ``(1, length)`` array per text, by kind.

    Args:
        reference: The folder of the fp32 model.
        candidate: The folder of the INT8 model.
        inputs: Token ids of each text, by kind of text.
        dropped: Where rows have a weight for each token: ids of tokens whose weights are not used.

    Raises:
        ExportError: a weight is NaN or infinity.
    """
    ids = list(chain.from_iterable(inputs.values()))
    found: list[tuple[float, ...]] = []
    for first in range(0, len(ids), AT_ONCE):
        part = ids[first : first + AT_ONCE]
        exact, quantised = list(rows_of(reference, part, "sparse")), list(rows_of(candidate, part, "sparse"))
        for tokens, here, there in zip(part, exact, quantised, strict=True):
            used = ~np.isin(tokens, dropped) if dropped else True
            found.append(compare_text(here * used, there * used))
    cosines, kept, words, words_quantised = np.array(found).T
    ends = np.cumsum([len(each) for each in inputs.values()])
    kinds = [compare_kind(kind, part) for kind, part in zip(inputs, np.split(cosines, ends[:-1]), strict=True)]
    every = compare_kind("all", cosines)
    means = (float(each.mean()) for each in (kept, words, words_quantised))
    return SparseComparison(every.texts, every.mean_cosine, every.quantile_1, every.least_cosine, kinds, *means)


def run_all(folder: Path, inputs: Iterable[npt.NDArray[np.int64]], kind: Kind) -> None:
    """Run all inputs, to find out if the graph can be run and gives numbers.

    Raises:
        ExportError: a row holds NaN or infinity.
    """
    for _ in rows_of(folder, inputs, kind):
        pass


def compare_text(exact: Rows, quantised: Rows) -> tuple[float, ...]:
    """Cosine, share of the first words, and the number of words of both; two texts without words are equal."""
    here, there = exact[0].astype(np.float64), quantised[0].astype(np.float64)
    lengths = np.linalg.norm(here) * np.linalg.norm(there)
    cosine = float(here @ there / lengths) if lengths else float(here.any() == there.any())
    first = _first_words(here)
    kept = len(first & _first_words(there)) / len(first) if first else 1.0
    return cosine, kept, float(np.count_nonzero(here)), float(np.count_nonzero(there))


def _first_words(row: npt.NDArray[np.float64]) -> set[int]:
    """The words of the largest weights above 0."""
    order = np.argsort(-row, kind="stable")[:FIRST_WORDS]
    return set(order[row[order] > 0].tolist())
