from __future__ import annotations

import pytest

from embed_plugin import RecordError
from embed_plugin.evaluate.read.columns import Columns, Row

JUDGEMENT = Columns((("query-id",), ("corpus-id",)), optional=("score",), exact=True)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["score", "corpus-id", "query-id"], ["query-id", "corpus-id", "score"]),
        (["query-id", "corpus-id", "score", "more"], ["query-id", "corpus-id", "score"]),
        (["query-id", "corpus-id"], ["query-id", "corpus-id"]),
    ],
)
def test_the_columns_that_are_there_are_chosen(names: list[str], chosen: list[str]) -> None:
    assert JUDGEMENT.choose(names, "a") == chosen


@pytest.mark.parametrize("names", [["query-id", "score"], ["query-id", "corpus-id", "relevance"], []])
def test_a_column_that_is_missing_or_may_be_the_score_is_refused(names: list[str]) -> None:
    with pytest.raises(RecordError, match=r"a: found the columns .*; expected query-id, corpus-id, score: rename them"):
        JUDGEMENT.choose(names, "a")


def test_the_first_name_of_a_column_counts() -> None:
    assert Columns((("_id", "id"),)).choose(["id", "_id"], "a") == ["_id"]
    assert Row("a", {"id": "later", "_id": 7}).identifier("_id", "id") == "7"


@pytest.mark.parametrize(("value", "number"), [(2, 2.0), (1.5, 1.5), ("1.5", 1.5), (-1, -1.0)])
def test_numbers(value: object, number: float) -> None:
    assert Row("a", {"score": value}).number("score") == number


@pytest.mark.parametrize("value", [None, True, "x", float("nan"), "inf", [1], 10**400])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(RecordError, match=r"a, row 3: the score is .*, expected a number: correct it"):
        Row("a, row 3", {"score": value}).number("score")
