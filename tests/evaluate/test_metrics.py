"""The metrics against trec_eval itself, scipy, and cases worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from embed_plugin import InvalidInputError
from embed_plugin.evaluate import ndcg, rank_documents, recall, reciprocal_rank, score_run, spearman

MEASURES = {"ndcg_cut.10", "recall.100", "recip_rank"}
documents = st.integers(0, 130).map(str)  # "9" and "10": ids compare as strings
scores = st.integers(-4, 4).map(lambda tenths: tenths / 4)  # few values: many ties
qrels = st.dictionaries(documents, st.integers(-1, 3), min_size=1, max_size=30)


@given(st.dictionaries(documents, scores, min_size=1), qrels)
def test_a_run_scores_as_trec_eval_has_it(run: dict[str, float], judged: dict[str, int]) -> None:
    expected = pytrec_eval.RelevanceEvaluator({"q": judged}, MEASURES).evaluate({"q": run})["q"]
    found = score_run({"q": list(run.items())}, {"q": judged})["q"]
    assert found["ndcg@10"] == pytest.approx(expected["ndcg_cut_10"])
    assert found["recall@100"] == pytest.approx(expected["recall_100"])
    first_ten = expected["recip_rank"] if expected["recip_rank"] > 0.099 else 0
    assert found["mrr@10"] == pytest.approx(first_ten)


def test_more_than_a_hundred_documents_score_as_trec_eval_has_it() -> None:
    rng = np.random.default_rng(3)
    run = {str(n): float(np.float32(score)) for n, score in enumerate(rng.integers(0, 40, 300) / 8)}
    judged = {str(n): int(relevance) for n, relevance in enumerate(rng.integers(0, 3, 320))}
    expected = pytrec_eval.RelevanceEvaluator({"q": judged}, MEASURES).evaluate({"q": run})["q"]
    found = score_run({"q": list(run.items())}, {"q": judged})["q"]
    assert (found["ndcg@10"], found["recall@100"]) == pytest.approx((expected["ndcg_cut_10"], expected["recall_100"]))


def test_ndcg_worked_out_by_hand() -> None:
    judged = {"a": 2, "b": 1, "never found": 1}
    gain = 1 / 1 + 2 / np.log2(4)  # b first, a third
    ideal = 2 / 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg(["b", "x", "a"], judged) == pytest.approx(gain / ideal)
    assert ndcg(["a", "b", "never found"], judged) == pytest.approx(1.0)


def test_recall_and_reciprocal_rank_worked_out_by_hand() -> None:
    ranking = [*map(str, range(9)), "a", "b"]
    assert recall(ranking, {"a": 1, "b": 1, "c": 2, "0": 0}) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranking, {"a": 1}) == pytest.approx(0.1)
    assert reciprocal_rank(ranking, {"b": 1}) == 0


def test_of_equal_scores_the_larger_id_is_first_whatever_the_order() -> None:
    assert rank_documents([("10", 0.5), ("9", 0.5), ("1", 0.7)]) == ["1", "9", "10"]


def test_a_query_without_an_answer_scores_zero() -> None:
    scored = score_run({}, {"lost": {"a": 1}, "nothing relevant": {"a": 0}})
    assert [set(metrics.values()) for metrics in scored.values()] == [{0.0}, {0.0}]


few_values = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)


@given(few_values)
def test_spearman_with_ties_is_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=np.float64).T
    if len(set(x)) == 1 or len(set(y)) == 1:
        with pytest.raises(InvalidInputError, match="are equal"):
            spearman(x, y)
    else:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


@pytest.mark.parametrize(
    ("x", "y", "message"), [([1, 2], [1], "of one length"), ([1, np.nan], [1, 2], "NaN"), ([], [], "are equal")]
)
def test_what_has_no_rank_correlation_is_refused(x: list[Any], y: list[Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        spearman(np.array(x, dtype=np.float64), np.array(y, dtype=np.float64))
