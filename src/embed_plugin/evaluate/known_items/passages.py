"""Sample passages from a collection's texts, and count their words over all texts.

A collection is read twice, and memory does not grow with it. The first time, passages of some records are drawn; the
second time, their words are counted, and passages that are in another record too are found.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_WORDS = 8
"""Words of the shortest text that a question is made from; from a shorter one, it would be a copy of the text."""

MOST_WORDS = 30
"""Words of a passage: one or two sentences, because a question is about one place in the record."""

MOST_TEXTS = 16
"""Texts of a long record that a passage is taken from."""

_RUN_WORDS = 5
_COPIED_SHARE = 1 / 3
"""Share of a passage's runs of five words from which on a text of another record is a copy. It is below a half, for a
copy may be split between two chunks."""

_ASCII_WORD = re.compile(r"\w+(?:'\w+)*")
_UNSPACED = "\u3041-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = (  # accents and vowel signs, which are no letters to Python
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0971-\u0dff\u0e31-\u0e4e\u0eb1-\u0ecd"
    "\u0f71-\u0fbc\u102b-\u103e\u17b4-\u17d3"
)
_OF_WORD = rf"(?:(?![{_UNSPACED}])[\w{_MARKS}])+"
_ANY_WORD = re.compile(rf"[{_UNSPACED}]{{1,2}}|{_OF_WORD}(?:['\u2019]{_OF_WORD})*")


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        folded: Casefolded, for comparing.
        start: Position of its first character.
        end: Position after its last one.
    """

    folded: str
    start: int
    end: int


@dataclass(frozen=True)
class StoredText:
    """One text of a collection: a record, or a chunk of one.

    Attributes:
        id: Its own id.
        record: The key of its record.
        index: Its position among the record's texts.
        text: The text.
        title: The record's title; empty if there is none.
        count: The number of the record's texts.
    """

    id: str
    record: str
    index: int
    text: str
    title: str = ""
    count: int = 1


@dataclass(frozen=True)
class Passage:
    """A piece of a record.

    Attributes:
        record: The key of the record.
        title: The record's title; empty if there is none.
        text: The piece.
        sources: The ids of the stored texts that it is of: one, or several that follow each other.
    """

    record: str
    title: str
    text: str
    sources: tuple[str, ...]


def words_of(text: str) -> list[Word]:
    """Split a text into words; in scripts without spaces, two characters are a word."""
    return [Word(found[0].casefold(), *found.span()) for found in _pattern(text).finditer(text)]


def folded_words(text: str) -> list[str]:
    """The casefolded words of a text."""
    return [word.casefold() for word in _pattern(text).findall(text)]


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _ANY_WORD


def random_of(seed: int, *names: object) -> random.Random:
    """Random numbers that depend on a seed and names alone, and are the same on every machine."""
    return random.Random("\0".join(map(str, (seed, *names))))  # noqa: S311 - a sample, no secret


class RecordSample:
    """An even sample of a collection's records, by their first texts; the order of reading does not matter.

    The records with the smallest hashes are kept (a bottom-k sketch: Cohen and Kaplan, "Summarizing data using bottom-k
    sketches", 2007), so two collections of the same records give the same ones.

    Args:
        size: Records to keep.
        seed: Another seed gives other records.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._kept: dict[str, StoredText] = {}
        self._largest: list[tuple[int, str]] = []  # a heap of negated hashes and records

    def add(self, text: StoredText) -> None:
        """Keep the text if it is the first of its record and the record belongs to the sample so far."""
        if text.index or text.record in self._kept:
            return
        place = self._hash(text.record)
        if len(self._kept) == self._size and place >= -self._largest[0][0]:
            return
        if text.count > 1 or len(folded_words(text.text)) >= LEAST_WORDS:
            self._kept[text.record] = text
            heappush(self._largest, (-place, text.record))
            if len(self._kept) > self._size:
                del self._kept[heappop(self._largest)[1]]

    def texts(self) -> list[StoredText]:
        """The first text of each record that was kept, in an order that the seed decides."""
        return [self._kept[record] for _, record in sorted(self._largest, reverse=True)]

    def _hash(self, record: str) -> int:
        content = f"{self._seed}\0{record}".encode()
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def texts_to_read(first: StoredText, *, seed: int) -> range:
    """Return which texts of a record a passage is taken from: all, or 16 that follow each other in a long record."""
    start = random_of(seed, first.record, "texts").randrange(max(1, first.count - MOST_TEXTS + 1))
    return range(start, min(first.count, start + MOST_TEXTS))


def passage_of(texts: Sequence[StoredText], *, seed: int, title: str = "") -> Passage | None:
    """Take a passage that begins anywhere in the texts of a record; None if they are too short.

    It may go across the end of a text. Passages from within chunks would be found more easily in the collection that
    they are from than in another collection of the same records.
    """
    whole, ends = _joined(texts)
    words = words_of(whole)
    if len(words) < LEAST_WORDS:
        return None
    start = random_of(seed, texts[0].record, "passage").randrange(max(1, len(words) - MOST_WORDS + 1))
    chosen = words[start : start + MOST_WORDS]
    begin, end = chosen[0].start, chosen[-1].end
    spans = zip(texts, [0, *ends], ends, strict=False)
    sources = tuple(text.id for text, first, last in spans if first < end and begin < last)
    return Passage(texts[0].record, title, whole[begin:end], sources)


def _joined(texts: Sequence[StoredText]) -> tuple[str, list[int]]:
    """Join the texts, each without what the one before it ends with; return the whole, and the end of each."""
    whole, ends, before = "", list[int](), list[Word]()
    for text in texts:
        rest = _new_part(before, text.text)
        whole += f"\n{rest}" if whole and rest else rest
        ends.append(len(whole))
        before = words_of(text.text)
    return whole, ends


def _new_part(words: Sequence[Word], following: str) -> str:
    """Return a text without its first words if the text before ends with them: chunks may overlap."""
    before, after = [word.folded for word in words], words_of(following)
    folded = [word.folded for word in after]
    most = min(len(before), len(folded))
    repeated = next((count for count in range(most, 0, -1) if before[-count:] == folded[:count]), 0)
    return following[after[repeated].start :] if repeated < len(after) else ""


class Survey:
    """Counts over all texts of a collection: how many have each word of some passages, and which repeat a passage.

    Args:
        passages: The passages.

    Attributes:
        texts: Texts that were added and are not blank.
        blank: Texts that are.
        short: Texts that are too short for a question.
        records: Records of all these.
        repeated: Keys of the records whose passage is, a third of it or more, in a text of another record too.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.texts = self.blank = self.short = self.records = 0
        self.repeated: set[str] = set()
        self._counts: dict[str, int] = {}
        self._of_run: dict[tuple[str, ...], list[int]] = {}
        self._records = [passage.record for passage in passages]
        self._most_runs: list[float] = []
        self._of_title: dict[str, set[str]] = {_folded(each.title): set() for each in passages if each.title}
        for number, passage in enumerate(passages):
            words = folded_words(passage.text)
            self._counts.update(dict.fromkeys(words, 0))
            runs = _runs(words)
            self._most_runs.append(_COPIED_SHARE * len(runs))
            for run in runs:
                self._of_run.setdefault(run, []).append(number)

    def add(self, text: StoredText) -> None:
        """Count a text."""
        self.records += text.index == 0
        words = folded_words(text.text)
        if not words:
            self.blank += 1
            return
        self.texts += 1
        self.short += len(words) < LEAST_WORDS
        for word in self._counts.keys() & set(words):
            self._counts[word] += 1
        self._note_copies(text.record, words)
        with_title = self._of_title.get(_folded(text.title))
        if with_title is not None and len(with_title) <= 1:  # two are enough to know
            with_title.add(text.record)

    def weight(self, word: str) -> float:
        """The inverse document frequency of a word of the passages: 0 for one that is in every text."""
        return math.log(max(1, self.texts) / max(1, self._counts[word]))

    def is_only_title(self, title: str) -> bool:
        """True if no other record has this title, which must be a passage's."""
        return len(self._of_title[_folded(title)]) <= 1

    def _note_copies(self, record: str, words: Sequence[str]) -> None:
        common = self._of_run.keys() & _runs(words)
        copied = Counter(number for run in common for number in self._of_run[run])
        for number, runs in copied.items():
            if self._records[number] != record and runs >= self._most_runs[number]:
                self.repeated.add(self._records[number])


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    """All runs of five words that a text has."""
    shifted: Iterable[Sequence[str]] = (words[start:] for start in range(_RUN_WORDS))
    return set(zip(*shifted, strict=False))


def _folded(title: str) -> str:
    return " ".join(folded_words(title))
