from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import InvalidInputError
from embed_plugin.evaluate import (
    Interval,
    RetrievalResult,
    agreement,
    bootstrap_mean,
    evaluate_retrieval,
    read_retrieval_dataset,
)
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path


def found(*answers: str) -> RetrievalResult:
    """A result whose queries found these documents, one letter each."""
    first_ten = {f"q{n}": tuple(documents) for n, documents in enumerate(answers)}
    return RetrievalResult({query: {"ndcg@10": 0} for query in first_ten}, {"ndcg@10": 0}, 26, 0, first_ten)


@pytest.mark.parametrize(
    ("baseline", "model", "share", "first"),
    [
        ("abcdefghij", "abcdefghij", 1, 1),
        ("abcdefghij", "jihgfedcba", 1, 0),
        ("abcdefghij", "abcdefghiz", 0.9, 1),
        ("abcdefghij", "klmnopqrst", 0, 0),
        ("abcd", "dcba", 1, 0),
        ("abcd", "abcz", 0.75, 1),
        ("", "", 1, 1),
    ],
)
def test_the_shares_worked_out_by_hand(baseline: str, model: str, share: float, first: float) -> None:
    ten, one = agreement(found(baseline), found(model))
    assert (ten.measure, ten.value, ten.interval) == ("agreement_at_10", share, Interval(share, share))
    assert (one.measure, one.value, one.interval) == ("first_agreement", first, Interval(first, first))


def test_queries_are_paired_by_id_and_resampled() -> None:
    answers = ["abcdefghij", "abcdefghiz", "klmnopqrst"] * 20
    model = found(*answers)
    backwards = RetrievalResult(model.per_query, {}, 26, 0, dict(reversed([*model.first_ten.items()])))
    ten, one = agreement(found(*["abcdefghij"] * 60), backwards)
    assert (ten.value, one.value) == pytest.approx((1.9 / 3, 2 / 3))
    assert ten.interval == bootstrap_mean(np.array([1.0, 0.9, 0.0] * 20))
    assert ten.interval.low < ten.value < ten.interval.high


def test_results_on_different_queries_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="different queries"):
        agreement(found("ab"), found("ab", "ab"))


def test_copies_at_the_tenth_place_agree_whatever_their_order_in_the_corpus(beir: Path) -> None:
    lines = [json.dumps({"_id": f"c{n}", "text": "a copy"}) for n in range(30)]
    results = []
    for ordered in (lines, lines[::-1]):
        (beir / "corpus.jsonl").write_text("\n".join(ordered))
        results.append(evaluate_retrieval(FakeEncoder(), read_retrieval_dataset(beir)))
    assert [each.value for each in agreement(*results)] == [1, 1]
    assert results[0].first_ten["q1"] == tuple(sorted((f"c{n}" for n in range(30)), reverse=True)[:10])
