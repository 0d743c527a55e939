from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.evaluate.known_items import KINDS, StoredText, make_questions
from embed_plugin.evaluate.known_items.passages import folded_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMON = ["the", "of", "and", "is", "in"]


def records(count: int, *, words: int = 60, title: str = "") -> list[StoredText]:
    """Records of common words and words of their own, in an order of their own."""
    texts = []
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 - texts, no secret
        own = [f"word{number}x{chance.randrange(40)}" for _ in range(words // 2)]
        text = " ".join(chance.sample(own + chance.choices(COMMON, k=words - len(own)), words))
        texts.append(StoredText(f"id{number}", f"r{number}", 0, text, title and f"{title} {number}"))
    return texts


def is_part(part: Sequence[str], whole: Sequence[str]) -> bool:
    return any(list(whole[start : start + len(part)]) == list(part) for start in range(len(whole)))


def test_the_same_texts_and_seed_give_the_same_questions() -> None:
    texts = records(60)
    made = make_questions(lambda: texts, count=20)
    assert make_questions(lambda: reversed(texts), count=20) == made
    assert make_questions(lambda: texts, count=20, seed=8).questions != made.questions
    assert len({question.record for question in made.questions}) == len(made.questions) == 20
    assert (made.records, made.texts, made.repeated, made.not_in_both) == (60, 60, 0, 0)


def test_questions_are_of_telling_words_or_fragments_and_no_copies() -> None:
    texts = {text.record: text for text in records(60)}
    made = make_questions(texts.values, count=50).questions
    assert Counter(question.kind for question in made) == {"terms": 25, "fragment": 25}
    for question in made:
        asked, text = folded_words(question.text), folded_words(texts[question.record].text)
        assert set(asked) <= set(text)
        assert 3 <= len(asked) <= (6 if question.kind == "terms" else 7)
        assert question.kind == "terms" or not is_part(asked, text)
        assert question.sources == (texts[question.record].id,)
    terms = [word for question in made if question.kind == "terms" for word in folded_words(question.text)]
    assert sum(word in COMMON for word in terms) < 0.05 * len(terms)


@given(st.lists(st.text(st.sampled_from("ab\u56fe\u0301 .,\n'_1\U0001f600"), max_size=60), min_size=12, max_size=20))
def test_any_text_gives_questions_of_its_own_words_or_a_clear_error(contents: list[str]) -> None:
    texts = [StoredText(str(number), f"r{number}", 0, text) for number, text in enumerate(contents)]
    try:
        made = make_questions(lambda: texts, count=10)
    except RecordError as error:
        assert "expected 10 or more" in str(error) or "without a text" in str(error)  # noqa: PT017 - either may come
        return
    for question in made.questions:
        assert folded_words(question.text)


def test_titles_are_asked_where_they_tell_records_apart() -> None:
    texts = records(30, title="A book about")
    made = make_questions(lambda: texts, count=30)
    assert Counter(question.kind for question in made.questions) == dict.fromkeys(KINDS, 10)
    assert {question.text for question in made.questions if question.kind == "title"} <= {text.title for text in texts}
    same = [StoredText(text.id, text.record, 0, text.text, "Introduction and scope") for text in texts]
    assert {question.kind for question in make_questions(lambda: same).questions} == {"terms", "fragment"}


def test_what_another_record_has_too_and_what_is_not_held_is_left_out() -> None:
    texts = records(40)
    texts += [StoredText(f"copy{number}", f"copy{number}", 0, texts[number].text) for number in range(5)]
    made = make_questions(lambda: texts, held=lambda names: set(names) - {"r39", "r38"})
    assert {question.record for question in made.questions} == {f"r{number}" for number in range(5, 38)}
    assert (made.repeated, made.not_in_both) == (10, 2)


def test_questions_do_not_depend_on_how_records_are_cut() -> None:
    whole = [replace(text, title=f"The title {text.record}") for text in records(40)]
    parts = []
    for text in whole:
        words = text.text.split()
        cut = [" ".join(words[start : start + 13]) for start in range(0, len(words), 13)]
        parts += [replace(text, id=f"{text.id}-{n}", index=n, text=part, count=len(cut)) for n, part in enumerate(cut)]

    def read_parts(wanted: Mapping[str, range]) -> list[StoredText]:
        return [replace(part, title="") for part in parts if part.index in wanted.get(part.record, ())]

    of_whole = make_questions(lambda: whole, count=30).questions
    of_parts = make_questions(lambda: parts, count=30, read_parts=read_parts).questions
    assert [question.record for question in of_parts] == [question.record for question in of_whole]
    assert [question.kind for question in of_parts] == [question.kind for question in of_whole]
    same = [one.text == other.text for one, other in zip(of_parts, of_whole, strict=True)]
    assert sum(same) > 12  # the words of terms and fragments are weighed by how many texts have them
    assert all(any(len(question.sources) > 1 for question in of_parts if question.kind == kind) for kind in KINDS)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "found no points"),
        ([StoredText("1", "r", 0, " ")], "found 1 points without a text"),
        (records(9), r"9 of 9 records are fit for a question, expected 10 or more: take a larger collection"),
        (records(20, words=7), r"0 of 20 records .* \(20 texts of fewer than 8 words\)"),
        (records(9) + records(5), r"4 of 14 records .* \(10 records whose passage"),
    ],
)
def test_too_few_records_are_counted(texts: list[StoredText], message: str) -> None:
    if len(texts) == 14:
        texts = texts[:9] + [StoredText(f"c{each.id}", f"c{each.record}", 0, each.text) for each in texts[9:]]
    with pytest.raises(RecordError, match=message):
        make_questions(lambda: texts)


def test_records_that_the_other_collection_lacks_are_named_as_the_reason() -> None:
    with pytest.raises(RecordError, match=r"30 records that the other collection lacks\): fill both .* --source"):
        make_questions(lambda: records(30), held=lambda _: set())


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="9 questions, expected 10 or more"):
        make_questions(list, count=9)
