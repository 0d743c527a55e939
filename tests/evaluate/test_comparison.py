from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError, QualityFloorError
from embed_plugin.evaluate import (
    Difference,
    Interval,
    RetrievalResult,
    compare_retrieval,
    compare_similarity,
    evaluate_similarity,
    read_sentence_pairs,
    require_max_drop,
)
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path


def result(*values: float) -> RetrievalResult:
    per_query = {f"q{n}": {"ndcg@10": value} for n, value in enumerate(values)}
    return RetrievalResult(
        per_query, {"ndcg@10": sum(values) / len(values)}, documents=5, missing_documents=0, first_ten={}
    )


def drop(baseline: float, model: float) -> Difference:
    return Difference("ndcg@10", baseline, model, Interval(-1, 1))


def test_queries_are_paired_by_id_not_by_order() -> None:
    baseline = result(0.2, 0.6)
    model = RetrievalResult(dict(reversed([*baseline.per_query.items()])), baseline.means, 5, 0, {})
    (difference,) = compare_retrieval(baseline, model)
    assert (difference.difference, difference.interval) == (0, Interval(0, 0))


def test_results_on_different_data_are_refused(sts: Path) -> None:
    with pytest.raises(InvalidInputError, match="different queries"):
        compare_retrieval(result(1.0), result(1.0, 0.5))
    pairs = read_sentence_pairs(sts)
    similarities = [evaluate_similarity(FakeEncoder(), part) for part in (pairs, pairs[1:])]
    with pytest.raises(InvalidInputError, match="different pairs"):
        compare_similarity(*similarities)


@pytest.mark.parametrize(("model", "drop_percent"), [(0.5, 0), (0.49, 2), (0.6, -20)])
def test_the_drop_is_in_per_cent_of_the_baseline(model: float, drop_percent: float) -> None:
    assert drop(0.5, model).drop_percent == pytest.approx(drop_percent)
    assert drop(0, 0).drop_percent == 0


def test_a_drop_within_the_limit_passes_and_one_beyond_has_its_figures() -> None:
    require_max_drop(drop(0.5, 0.495), 1.5)
    with pytest.raises(match=r"is 49.00, 2.00 % below the baseline's 50.00; at most 1.5 % is allowed"):
        require_max_drop(drop(0.5, 0.49), 1.5)


@pytest.mark.parametrize(
    ("difference", "limit"), [(drop(0.5, float("nan")), 1), (drop(0.5, 0.5), float("nan")), (drop(0, -0.1), 99)]
)
def test_what_cannot_be_compared_does_not_pass(difference: Difference, limit: float) -> None:
    with pytest.raises(QualityFloorError, match="below the baseline"):
        require_max_drop(difference, limit)
