from __future__ import annotations

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import Hit, Selection

WORDS = [f"word{number}" for number in range(40)]


def hits(*texts: str, records: str = "") -> list[Hit]:
    names = records or "abcdefgh"
    return [Hit(1 - number / 10, names[number], number, text, {}) for number, text in enumerate(texts)]


def chosen(selection: Selection, found: list[Hit], limit: int = 5) -> list[str]:
    return [hit.text for hit in selection.choose(found, limit=limit)]


def test_equal_texts_are_collapsed_whatever_their_marks_and_say_where_they_are() -> None:
    found = hits("### Translations", "other", "## translations\n", "Translations.")
    first, second = Selection().choose(found, limit=5)
    assert (first.text, first.duplicates) == ("### Translations", ("c", "d"))
    assert (second.text, second.duplicates) == ("other", ())
    assert chosen(Selection(duplicates=True), found) == [hit.text for hit in found]


def test_texts_that_share_nearly_all_words_are_nearly_equal() -> None:
    text, near, far = (" ".join(words) for words in (WORDS, [*WORDS[:-1], "last"], [*WORDS[:-2], "very", "last"]))
    assert chosen(Selection(), hits(text, near)) == [text]
    assert chosen(Selection(), hits(text, far)) == [text, far]
    assert chosen(Selection(), hits("version 1.2.0 is out", "version 1.3.0 is out", "?", "!")) == [
        "version 1.2.0 is out",
        "version 1.3.0 is out",
        "?",
        "!",
    ]


def test_a_record_has_no_more_hits_than_were_asked_for() -> None:
    found = hits("one", "two", "three", "four", records="aaba")
    assert chosen(Selection(per_record=1), found) == ["one", "three"]
    assert chosen(Selection(per_record=2), found, limit=2) == ["one", "two"]


def test_hits_are_grouped_by_record_in_the_order_of_the_best() -> None:
    found = hits("one", "two", "three", "four", "five", records="abacb")
    assert chosen(Selection(group_by="record"), found) == ["one", "two", "four"]
    assert chosen(Selection(group_by="record", per_record=2), found, limit=2) == ["one", "three", "two", "five"]


def test_points_of_other_programs_are_records_of_their_own() -> None:
    found = [Hit(1.0, "", 0, text, {}, point_id=text) for text in ("one", "two")]
    assert len(Selection(per_record=1).choose(found, limit=5)) == 2


@pytest.mark.parametrize("limit", [1, 5, 30, 200])
def test_more_is_searched_for_than_is_shown_only_if_hits_are_chosen(limit: int) -> None:
    assert Selection(duplicates=True).candidates(limit) == limit
    assert Selection().candidates(limit) >= limit
    assert Selection().candidates(5) == 20


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="0 hits a record, expected 1 or more"):
        Selection(per_record=0)
    with pytest.raises(InvalidInputError, match="a limit of 0"):
        Selection().choose([], limit=0)


def test_hits_below_the_least_score_are_left_out() -> None:
    found = hits("one", "two", "three", "One!")
    assert chosen(Selection(min_score=0.9), found) == ["one", "two"]
    assert Selection(min_score=0.9).choose(found, limit=5)[0].duplicates == ()
    assert chosen(Selection(min_score=2), found) == []
    assert chosen(Selection(min_score=2), []) == []


def test_a_least_score_is_a_number_and_of_scores_that_are_no_distances() -> None:
    with pytest.raises(InvalidInputError, match="expected a finite number"):
        Selection(min_score=float("nan"))
    with pytest.raises(InvalidInputError, match="the scores of this collection are distances"):
        Selection(min_score=0.5).choose(hits("one", "two")[::-1], limit=5)
