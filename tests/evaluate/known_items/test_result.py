from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.evaluate.known_items import KnownItemResult, Question, compare_known_items

if TYPE_CHECKING:
    from embed_plugin.evaluate.known_items.questions import Kind

ASKED: tuple[Kind, ...] = ("terms", "title", "terms", "terms")
QUESTIONS = [Question(kind, f"question {number}", f"r{number}", (str(number),)) for number, kind in enumerate(ASKED)]


def test_metrics_follow_from_the_ranks() -> None:
    result = KnownItemResult(QUESTIONS, [1, 0, 4, 11])
    assert result.means() == {"mrr@10": 1.25 / 4, "success@1": 0.25, "success@10": 0.5}
    assert result.kinds == ("terms", "title")
    assert result.of_kind("title").means() == dict.fromkeys(result.means(), 0)
    assert result.of_kind("terms").ranks == [1, 4, 11]


def test_a_mean_has_an_interval_around_it() -> None:
    result = KnownItemResult(QUESTIONS * 50, [1, 0, 4, 2] * 50)
    for metric, interval in result.intervals().items():
        assert interval.low < result.means()[metric] < interval.high
        assert interval.high - interval.low < 0.15


def test_a_difference_is_paired() -> None:
    baseline, model = (
        KnownItemResult(QUESTIONS * 50, [2, 0, 0, 1] * 50),
        KnownItemResult(QUESTIONS * 50, [1, 0, 0, 1] * 50),
    )
    first, one, ten = compare_known_items(baseline, model)
    assert first.metric == "mrr@10"
    assert first.difference == pytest.approx(0.125)
    assert 0 < first.interval.low < 0.125 < first.interval.high
    assert (one.difference, ten.difference, ten.interval.low, ten.interval.high) == (0.25, 0, 0, 0)
    assert np.array_equal(model.values()["success@1"][:4], [1, 0, 0, 1])


def test_answers_to_other_questions_are_not_compared() -> None:
    with pytest.raises(InvalidInputError, match="different questions"):
        compare_known_items(KnownItemResult(QUESTIONS, [1] * 4), KnownItemResult(QUESTIONS[:3], [1] * 3))
