from __future__ import annotations

import math
from collections import Counter

import pytest

from embed_plugin.evaluate.known_items.passages import (
    MOST_WORDS,
    Passage,
    RecordSample,
    StoredText,
    Survey,
    folded_words,
    passage_of,
    texts_to_read,
    words_of,
)


def text_of(record: str, text: str, index: int = 0, title: str = "") -> StoredText:
    return StoredText(f"{record}-{index}", record, index, text, title)


def numbered(record: str, first: int, last: int, index: int = 0, *, count: int = 1) -> StoredText:
    """A text of the words w1, w2, ..."""
    words = " ".join(f"w{number}" for number in range(first, last + 1))
    return StoredText(f"{record}-{index}", record, index, words, count=count)


def passages_of(*texts: StoredText) -> list[Passage]:
    """A passage of each text."""
    return [passage for text in texts if (passage := passage_of([text], seed=1, title=text.title))]


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


def test_a_sample_does_not_depend_on_the_order_of_reading_or_the_number_of_texts() -> None:
    texts = [numbered(f"r{number}", 1, 9, index) for number in range(50) for index in range(1 + number % 5)]
    reads = (texts, texts[::-1], texts[75:] + texts[:75], [text for text in texts if text.index == 0])
    samples = []
    for read in reads:
        sample = RecordSample(8, seed=1)
        for text in read:
            sample.add(text)
        samples.append(sample.texts())
    assert len({text.record for text in samples[0]}) == 8
    assert all(sample == samples[0] for sample in samples)


def test_records_are_drawn_evenly() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(400):
        sample = RecordSample(5, seed=seed)
        for number in range(20):
            sample.add(numbered(f"r{number}", 1, 9))
        drawn.update(text.record for text in sample.texts())
    assert len(drawn) == 20
    assert max(abs(times - 100) for times in drawn.values()) < 4 * math.sqrt(100 * 0.75)


def test_a_record_that_is_too_short_is_not_drawn() -> None:
    sample = RecordSample(5, seed=1)
    for text in (numbered("a", 1, 7), numbered("b", 1, 7, count=2), numbered("c", 1, 8)):
        sample.add(text)
    assert {text.record for text in sample.texts()} == {"b", "c"}
    assert passage_of([numbered("b", 1, 4), numbered("b", 3, 7, 1)], seed=1) is None


@pytest.mark.parametrize("overlap", [0, 7])
@pytest.mark.parametrize("size", [10, 31, 80])
def test_a_passage_does_not_depend_on_where_texts_end(size: int, overlap: int) -> None:
    for number in range(30):
        record = f"r{number}"
        whole = passage_of([numbered(record, 1, 80)], seed=3)
        starts = range(1, 81, size)
        parts = [
            numbered(record, max(1, start - overlap), min(80, start + size - 1), i) for i, start in enumerate(starts)
        ]
        found = passage_of(parts, seed=3)
        assert whole
        assert found
        words = found.text.split()
        assert words == whole.text.split()
        assert len(words) == MOST_WORDS
        own = [
            part.id
            for part in parts
            if any(word in part.text.split()[overlap if part.index else 0 :] for word in words)
        ]
        assert list(found.sources) == own


def test_every_place_of_a_record_may_begin_a_passage() -> None:
    text = " ".join(f"w{number}" for number in range(1, 41))
    passages = [passage_of([text_of(f"r{number}", text)], seed=3) for number in range(300)]
    assert {passage.text.split()[0] for passage in passages if passage} == {f"w{number}" for number in range(1, 12)}
    short = numbered("r", 1, 9)
    repeated = passage_of([short, numbered("r", 5, 9, 1)], seed=1)
    assert repeated
    assert (repeated.text, repeated.sources) == (short.text, (short.id,))


def test_sixteen_texts_of_a_long_record_are_read() -> None:
    assert texts_to_read(numbered("r", 1, 9, count=16), seed=1) == range(16)
    found = [texts_to_read(numbered(f"r{number}", 1, 9, count=20), seed=1) for number in range(99)]
    assert {(part.start, part.stop) for part in found} == {(start, start + 16) for start in range(5)}


def test_a_copy_in_another_record_is_found_and_one_in_the_same_is_not() -> None:
    own, other = numbered("own", 1, 25), numbered("other", 101, 125)
    survey = Survey(passages_of(own, other))
    for text in (own, other, numbered("own", 1, 25, index=1), text_of("copy", f"Before. {other.text.upper()}! After")):
        survey.add(text)
    assert survey.repeated == {"other"}


def test_a_copy_that_is_cut_in_two_is_found() -> None:
    own = numbered("own", 1, MOST_WORDS)
    survey = Survey(passages_of(own))
    survey.add(numbered("copy", 1, MOST_WORDS // 2))
    assert survey.repeated == {"own"}


def test_words_records_and_titles_are_counted() -> None:
    texts = [text_of("a", "one two three " * 4, title="The Title"), text_of("b", "two", title="the title.")]
    texts += [text_of("b", "two two", 1), text_of("c", " \n"), text_of("d", "three")]
    survey = Survey(passages_of(texts[0]))
    for text in texts:
        survey.add(text)
    assert (survey.records, survey.texts, survey.blank, survey.short) == (4, 4, 1, 3)
    assert survey.weight("one") == pytest.approx(math.log(4))
    assert survey.weight("two") == pytest.approx(math.log(4 / 3))
    assert not survey.is_only_title("The Title")
