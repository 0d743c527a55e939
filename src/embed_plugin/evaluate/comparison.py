"""Compare a model with a baseline, metric by metric, and limit its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError, QualityFloorError
from embed_plugin.evaluate.bootstrap import Interval, bootstrap_mean_difference, bootstrap_spearman_difference

if TYPE_CHECKING:
    from embed_plugin.evaluate.retrieval import RetrievalResult
    from embed_plugin.evaluate.similarity import SimilarityResult


@dataclass(frozen=True)
class Difference:
    """One metric of two models.

    Attributes:
        metric: Its name, as in the results.
        baseline: The baseline's value.
        model: The model's value.
        interval: 95 % interval of ``model - baseline``.
    """

    metric: str
    baseline: float
    model: float
    interval: Interval

    @property
    def difference(self) -> float:
        """``model - baseline``: below 0 where the model is worse."""
        return self.model - self.baseline

    @property
    def drop_percent(self) -> float:
        """The loss in per cent of the baseline; infinite for a loss from a baseline that is not above 0."""
        if self.baseline > 0:
            return -100 * self.difference / self.baseline
        return float("inf") if self.difference < 0 else 0.0


def compare_retrieval(baseline: RetrievalResult, model: RetrievalResult) -> tuple[Difference, ...]:
    """Compare two results on one dataset; nDCG@10 first.

    Raises:
        InvalidInputError: the results are about different queries.
    """
    require_same_queries(baseline, model)
    differences = []
    for metric in baseline.means:
        values = [
            np.array([result.per_query[query][metric] for query in baseline.per_query]) for result in (baseline, model)
        ]
        interval = bootstrap_mean_difference(values[0], values[1])
        differences.append(Difference(metric, baseline.means[metric], model.means[metric], interval))
    return tuple(differences)


def require_same_queries(baseline: RetrievalResult, model: RetrievalResult) -> None:
    """Refuse two results that cannot be compared query by query.

    Raises:
        InvalidInputError: they are about different queries.
    """
    if baseline.per_query.keys() != model.per_query.keys():
        raise InvalidInputError("the two results are about different queries: evaluate both models on one dataset")


def compare_similarity(baseline: SimilarityResult, model: SimilarityResult) -> tuple[Difference, ...]:
    """Compare two results on the same pairs.

    Raises:
        InvalidInputError: the results are about different pairs.
    """
    if not np.array_equal(baseline.scores, model.scores):
        raise InvalidInputError("the two results are about different pairs: evaluate both models on one file")
    interval = bootstrap_spearman_difference(model.scores, baseline.cosines, model.cosines)
    return (Difference("spearman", baseline.spearman, model.spearman, interval),)


def require_max_drop(difference: Difference, max_drop_percent: float) -> None:
    """Refuse a model that loses more than this percentage of the baseline's value.

    Raises:
        QualityFloorError: it does; the message has the figures.
    """
    if not difference.drop_percent <= max_drop_percent:  # written so that NaN is refused
        low, high = 100 * difference.interval.low, 100 * difference.interval.high
        message = (
            f"{difference.metric} is {100 * difference.model:.2f}, {difference.drop_percent:.2f} % below "
            f"the baseline's {100 * difference.baseline:.2f}; at most {max_drop_percent:g} % is allowed "
            f"(95 % interval of the difference {low:+.2f} to {high:+.2f})"
        )
        raise QualityFloorError(f"{message}: calibrate on text like yours, or allow a larger drop")
