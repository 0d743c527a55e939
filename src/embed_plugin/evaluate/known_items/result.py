"""Score the answers to known-item questions, with intervals, and compare two ways to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError
from embed_plugin.evaluate.bootstrap import Interval, bootstrap_mean, bootstrap_mean_difference
from embed_plugin.evaluate.comparison import Difference
from embed_plugin.evaluate.known_items.questions import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.evaluate.known_items.questions import Kind, Question

DEPTH = 10
"""Records at the top among which the right one is looked for."""

METRICS = ("mrr@10", "success@1", "success@10")


@dataclass(frozen=True)
class KnownItemResult:
    """The answers of one way to search.

    Attributes:
        questions: The questions.
        ranks: The rank of the record that each asks for, among the records found, from 1; 0 if it is not among the
            first ten.
    """

    questions: Sequence[Question]
    ranks: Sequence[int]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of question in the result."""
        there = {question.kind for question in self.questions}
        return tuple(kind for kind in KINDS if kind in there)

    def of_kind(self, kind: Kind) -> KnownItemResult:
        """The part of the result that is about questions of a kind."""
        pairs = [pair for pair in zip(self.questions, self.ranks, strict=True) if pair[0].kind == kind]
        return KnownItemResult([question for question, _ in pairs], [rank for _, rank in pairs])

    def values(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Each metric of every question, 0 to 1, float64 ``(questions,)``.

        ``mrr@10`` is one over the rank, ``success@1`` and ``success@10`` are 1 where the record is the first or among
        the first ten.
        """
        ranks = np.array(self.ranks, dtype=np.float64)
        found = (ranks > 0) & (ranks <= DEPTH)
        inverse = np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=found)
        return dict(zip(METRICS, (inverse, (ranks == 1).astype(np.float64), found.astype(np.float64)), strict=True))

    def means(self) -> Mapping[str, float]:
        """The mean of each metric."""
        return {metric: float(values.mean()) for metric, values in self.values().items()}

    def intervals(self) -> Mapping[str, Interval]:
        """The 95 % interval of each mean, over other questions of this kind."""
        return {metric: bootstrap_mean(values) for metric, values in self.values().items()}


def compare_known_items(baseline: KnownItemResult, model: KnownItemResult) -> tuple[Difference, ...]:
    """Compare two results on the same questions, MRR@10 first.

    Raises:
        InvalidInputError: the results are about different questions.
    """
    if list(baseline.questions) != list(model.questions):
        raise InvalidInputError("the two results are about different questions: ask the same ones on both sides")
    ones, others, means, bases = baseline.values(), model.values(), model.means(), baseline.means()
    return tuple(
        Difference(name, bases[name], means[name], bootstrap_mean_difference(ones[name], others[name]))
        for name in METRICS
    )
