"""Measure how many of a baseline's first answers a model finds too, judged or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.evaluate.bootstrap import Interval, bootstrap_mean
from embed_plugin.evaluate.comparison import require_same_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.evaluate.retrieval import RetrievalResult


@dataclass(frozen=True)
class Agreement:
    """A share of answers that two models have in common.

    Attributes:
        measure: ``agreement_at_10`` or ``first_agreement``.
        value: The mean over the judged queries, 0 to 1.
        interval: 95 % interval of that mean.
    """

    measure: str
    value: float
    interval: Interval


def agreement(baseline: RetrievalResult, model: RetrievalResult) -> tuple[Agreement, Agreement]:
    """Compare the first answers of two models on one dataset.

    ``agreement_at_10`` is the share of the baseline's first ten documents that are among the model's first ten, in any
    order; of a corpus with fewer documents, the share of those. ``first_agreement`` is the share of queries whose
    first document is the same. A query for which nothing can be found (the corpus holds its own document alone) agrees.

    In both results, documents of equal score are ordered by id, the larger first, as in
    :class:`~embed_plugin.evaluate.top_k.TopK`. So copies of one text at the tenth place agree: both models keep the
    same copies, whatever their order in the corpus.

    Raises:
        InvalidInputError: the results are about different queries.
    """
    require_same_queries(baseline, model)
    pairs = [(found, model.first_ten[query]) for query, found in baseline.first_ten.items()]
    return (_measure("agreement_at_10", pairs, _shared_share), _measure("first_agreement", pairs, _same_first))


def _shared_share(baseline: Sequence[str], model: Sequence[str]) -> float:
    """Share of the baseline's documents that the model has too; 1 where the baseline has none."""
    return len(set(baseline).intersection(model)) / len(baseline) if baseline else 1.0


def _same_first(baseline: Sequence[str], model: Sequence[str]) -> float:
    return float(baseline[:1] == model[:1])


def _measure(
    name: str,
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
    share: Callable[[Sequence[str], Sequence[str]], float],
) -> Agreement:
    values = np.array([share(baseline, model) for baseline, model in pairs])
    interval = bootstrap_mean(values)  # first: it refuses results without a query
    return Agreement(name, float(values.mean()), interval)
