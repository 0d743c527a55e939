from __future__ import annotations

import math
from collections import Counter

import pytest

from embed_plugin.evaluate.known_items.passages import (
    MOST_WORDS,
    RecordSample,
    StoredText,
    Survey,
    folded_words,
    passage_of,
    words_of,
)


def text_of(record: str, text: str, index: int = 0, title: str = "") -> StoredText:
    return StoredText(f"{record}-{index}", record, index, text, title)


def numbered(record: str, first: int, last: int, index: int = 0) -> StoredText:
    """A text of the words w1, w2, ..."""
    return text_of(record, " ".join(f"w{number}" for number in range(first, last + 1)), index)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The user's read_csv, (v2)!", ["the", "user's", "read_csv", "v2"]),
        ("Die Stra\u00dfe e\u0301te", ["die", "strasse", "e\u0301te"]),
        ("\u091c\u0932\u0926\u0940 \u0938\u0947", ["\u091c\u0932\u0926\u0940", "\u0938\u0947"]),
        ("\u56fe\u4e66\u9986abc", ["\u56fe\u4e66", "\u9986", "abc"]),
        ("\u30ab\u30bf\u30fb\u30ab\u30ca", ["\u30ab\u30bf", "\u30ab\u30ca"]),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 .", ["\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"]),
        (" -- ", []),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert [word.folded for word in words_of(text)] == folded_words(text) == words


def test_a_sample_does_not_depend_on_the_order_of_reading() -> None:
    texts = [numbered(f"r{number}", 1, 9, index) for number in range(50) for index in range(3)]
    samples = [RecordSample(8, seed=1) for _ in range(3)]
    for sample, read in zip(samples, (texts, texts[::-1], texts[75:] + texts[:75]), strict=True):
        for text in read:
            sample.add(text)
    assert len({text.record for text in samples[0].texts()}) == 8
    assert samples[0].texts() == samples[1].texts() == samples[2].texts()


def test_a_record_with_more_texts_is_not_drawn_more_often() -> None:
    texts = [numbered(f"r{number}", 1, 9, index) for number in range(20) for index in range(1 + 9 * (number % 2))]
    drawn: Counter[str] = Counter()
    for seed in range(400):
        sample = RecordSample(5, seed=seed)
        for text in texts:
            sample.add(text)
        drawn.update("long" if text.record[-1] in "13579" else "short" for text in sample.texts())
    assert abs(drawn["long"] - 1000) < 4 * math.sqrt(2000 / 4)


def test_a_text_that_is_too_short_is_not_drawn() -> None:
    sample = RecordSample(5, seed=1)
    for text in (numbered("a", 1, 7), numbered("b", 1, 7), numbered("b", 1, 8, index=1)):
        sample.add(text)
    assert [(text.record, text.index) for text in sample.texts()] == [("b", 1)]


def test_a_passage_begins_anywhere_and_goes_over_the_end_of_a_chunk() -> None:
    starts, both = set(), 0
    for number in range(200):
        first, second = numbered(f"r{number}", 1, 40), numbered(f"r{number}", 36, 80, index=1)
        passage = passage_of(first, second, seed=3)
        words = passage.text.split()
        start = int(words[0][1:])
        assert words == [f"w{word}" for word in range(start, start + MOST_WORDS)]
        assert passage.sources == ((first.id, second.id) if start > 40 - MOST_WORDS + 1 else (first.id,))
        starts.add(start)
        both += len(passage.sources) == 2
    assert (min(starts), max(starts)) == (1, 40)
    assert 100 < both < 190  # 29 of 40 places


def test_the_last_chunk_of_a_record_gives_a_whole_passage() -> None:
    last = numbered("r", 1, MOST_WORDS + 1)
    passages = [passage_of(last, None, seed=seed).text for seed in range(20)]
    assert {len(passage.split()) for passage in passages} == {MOST_WORDS}
    assert len(set(passages)) == 2
    short = numbered("r", 1, 9)
    assert passage_of(short, numbered("r", 5, 9, index=1), seed=1).text == short.text


def test_a_copy_in_another_record_is_found_and_one_in_the_same_is_not() -> None:
    own, other = numbered("own", 1, 25), numbered("other", 101, 125)
    survey = Survey([passage_of(text, None, seed=1) for text in (own, other)])
    for text in (own, other, numbered("own", 1, 25, index=1), text_of("copy", f"Before. {other.text.upper()}! After")):
        survey.add(text)
    assert survey.repeated == {"other"}


def test_a_copy_that_is_cut_in_two_is_found() -> None:
    own = numbered("own", 1, MOST_WORDS)
    survey = Survey([passage_of(own, None, seed=1)])
    survey.add(numbered("copy", 1, MOST_WORDS // 2))
    assert survey.repeated == {"own"}


def test_words_records_and_titles_are_counted() -> None:
    texts = [text_of("a", "one two three " * 4, title="The Title"), text_of("b", "two", title="the title.")]
    texts += [text_of("b", "two two", 1), text_of("c", " \n"), text_of("d", "three")]
    survey = Survey([passage_of(texts[0], None, seed=1)])
    for text in texts:
        survey.add(text)
    assert (survey.records, survey.texts, survey.blank, survey.short) == (4, 4, 1, 3)
    assert survey.weight("one") == pytest.approx(math.log(4))
    assert survey.weight("two") == pytest.approx(math.log(4 / 3))
    assert not survey.is_only_title("The Title")
