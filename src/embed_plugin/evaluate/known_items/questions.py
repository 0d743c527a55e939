"""Make known-item questions: each asks for one record of a collection, in a few of that record's own words.

No judgements are needed, for the right answer is the record that a question was made from (Azzopardi, de Rijke and
Balog, "Building simulated queries for known-item topics", SIGIR 2007). Such questions are easier than people's, who
choose other words than the text. They are good for comparing two ways to search the same records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.evaluate.known_items.passages import (
    Passage,
    RecordSample,
    StoredText,
    Survey,
    passage_of,
    random_of,
    texts_to_read,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from random import Random

    from embed_plugin.evaluate.known_items.passages import Word

Kind: TypeAlias = Literal["terms", "fragment", "title"]
KINDS: tuple[Kind, ...] = ("terms", "fragment", "title")
"""terms: 3 to 6 words that few texts have. fragment: 4 to 8 words in a row without one or two. title: the record's."""

QUESTIONS, SEED = 200, 7
LEAST_QUESTIONS = 10
"""With fewer, an interval says nothing."""

_TERMS = (3, 6)
_FRAGMENT = (4, 8)
_STARTS = 4
_TITLE = (2, 15)
_MANY_WORDS = 6
_RECORDS_AT_A_TIME = 64


@dataclass(frozen=True)
class Question:
    """A question and the record that it asks for.

    Attributes:
        kind: How it was made.
        text: The question.
        record: The key of the record.
        sources: The ids of the stored texts that it was made from: one, or several that follow each other.
    """

    kind: Kind
    text: str
    record: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class QuestionSet:
    """Questions about a collection.

    Attributes:
        questions: One for each of some records.
        records: Records of the collection.
        texts: Their texts.
        repeated: Records left out because another one has the passage too.
        not_in_both: Records left out because the other collection lacks them.
    """

    questions: Sequence[Question]
    records: int
    texts: int
    repeated: int
    not_in_both: int


def make_questions(
    read: Callable[[], Iterable[StoredText]],
    *,
    count: int = QUESTIONS,
    seed: int = SEED,
    read_parts: Callable[[Mapping[str, range]], Iterable[StoredText]] | None = None,
    held: Callable[[Sequence[str]], Collection[str]] | None = None,
) -> QuestionSet:
    """Make questions from the texts of a collection: the same ones for the same texts and seed, in whatever order.

    Args:
        read: Yields all texts of the collection; it is called twice.
        count: Questions to make; there are fewer if not enough records are fit for one.
        seed: Another seed gives other questions.
        read_parts: Yields some texts of records, named by the record's key and their positions; needed if records have
            more than one.
        held: Returns which of some records another collection has too: only those are asked for.

    Raises:
        InvalidInputError: too few questions to say anything are wanted.
        RecordError: the collection has no texts, or too few records that a question can be made from.
    """
    if count < LEAST_QUESTIONS:
        raise InvalidInputError(f"{count} questions, expected {LEAST_QUESTIONS} or more: fewer show nothing")
    sample = RecordSample(2 * count + 100, seed=seed)
    for text in read():
        sample.add(text)
    passages = _passages(sample.texts(), read_parts, seed)
    survey = Survey(passages)
    for text in read():
        survey.add(text)
    if not survey.texts:
        found = f"{survey.blank:,} points without a text" if survey.blank else "no points"
        raise RecordError(f"found {found}: questions are made from stored texts, so take a collection that has them")
    made = _chosen(passages, survey, count, held)
    questions = _Writer(survey, seed).write(made.passages)
    if len(questions) < LEAST_QUESTIONS:
        raise RecordError(_too_few(len(questions), survey, made))
    return QuestionSet(questions, survey.records, survey.texts, made.repeated, made.not_in_both)


def _passages(
    firsts: Sequence[StoredText],
    read_parts: Callable[[Mapping[str, range]], Iterable[StoredText]] | None,
    seed: int,
) -> list[Passage]:
    """A passage of each record that is long enough; the texts of 64 records at most are held at a time."""
    found: list[Passage | None] = []
    for start in range(0, len(firsts), _RECORDS_AT_A_TIME):
        some = firsts[start : start + _RECORDS_AT_A_TIME]
        wanted = {first.record: texts_to_read(first, seed=seed) for first in some if first.count > 1}
        parts: dict[str, list[StoredText]] = {}
        for part in read_parts(wanted) if read_parts and wanted else ():
            parts.setdefault(part.record, []).append(part)
        for first in some:
            texts = sorted(parts.get(first.record, [first]), key=lambda text: text.index)
            found.append(passage_of(texts, seed=seed, title=first.title))
    return [passage for passage in found if passage]


@dataclass(frozen=True)
class _Chosen:
    passages: Sequence[Passage]
    repeated: int
    not_in_both: int


def _chosen(
    passages: Sequence[Passage],
    survey: Survey,
    count: int,
    held: Callable[[Sequence[str]], Collection[str]] | None,
) -> _Chosen:
    """The first passages that are in one record alone, and how many others were left out before them."""
    records = [passage.record for passage in passages]
    there = set(records if held is None else held(records))
    chosen: list[Passage] = []
    repeated = not_in_both = 0
    for passage in passages:
        if len(chosen) == count:
            break
        if passage.record not in there:
            not_in_both += 1
        elif passage.record in survey.repeated:
            repeated += 1
        else:
            chosen.append(passage)
    return _Chosen(chosen, repeated, not_in_both)


def _too_few(questions: int, survey: Survey, made: _Chosen) -> str:
    reasons = {
        "texts of fewer than 8 words": survey.short,
        "records whose passage another one has too": made.repeated,
        "records that the other collection lacks": made.not_in_both,
    }
    found = "; ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
    message = f"{questions} of {survey.records:,} records are fit for a question, expected {LEAST_QUESTIONS} or more"
    remedy = "take a larger collection"
    if made.not_in_both:
        remedy = "fill both collections from the same sources, under the same names (ingest --source)"
    return f"{message} ({found}): {remedy}" if found else f"{message}: {remedy}"


class _Writer:
    """Writes a question about each passage; the kinds take turns."""

    def __init__(self, survey: Survey, seed: int) -> None:
        self._survey = survey
        self._seed = seed

    def write(self, passages: Sequence[Passage]) -> list[Question]:
        kinds = KINDS if any(self._title(passage) for passage in passages) else KINDS[:2]
        return [self._question(passage, number, kinds) for number, passage in enumerate(passages)]

    def _question(self, passage: Passage, number: int, kinds: Sequence[Kind]) -> Question:
        kind = kinds[number % len(kinds)]
        words = words_of(passage.text)
        title = self._title(passage) if kind == "title" else ""
        if kind == "title" and not title:
            kind = KINDS[number // len(kinds) % 2]
        chance = random_of(self._seed, passage.record, kind)
        text = title or (self._terms(passage.text, words, chance) if kind == "terms" else "")
        if not text:
            kind, text = "fragment", self._fragment(passage.text, words, chance)
        return Question(kind, text, passage.record, passage.sources)

    def _title(self, passage: Passage) -> str:
        """The title of the passage's record, if no other record has it and it is neither too short nor too long."""
        title = " ".join(passage.title.split())
        fits = _TITLE[0] <= len(words_of(title)) <= _TITLE[1]
        return title if fits and self._survey.is_only_title(title) else ""

    def _terms(self, text: str, words: Sequence[Word], chance: Random) -> str:
        """Draw some of the words with the highest tf-idf in the passage; "" if it has too few.

        Words are drawn without replacement and weighted by tf-idf, by the method of Efraimidis and Spirakis (2006).
        """
        counts = Counter(word.folded for word in words if any(map(str.isalpha, word.folded)))
        weights = {word: number * self._survey.weight(word) for word, number in counts.items()}
        telling = sorted((word for word, weight in weights.items() if weight > 0), key=lambda word: -weights[word])
        telling = telling[: max(_TERMS[0], len(counts) // 2)]
        if len(telling) < _TERMS[0]:
            return ""
        drawn = sorted(telling, key=lambda word: chance.random() ** (1 / weights[word]), reverse=True)
        written = _as_written(text, words)
        return " ".join(written[word] for word in drawn[: chance.randint(*_TERMS)])

    def _fragment(self, text: str, words: Sequence[Word], chance: Random) -> str:
        """Draw four runs of the passage's words, take the one with the rarest words, and drop one or two inside it."""
        length = min(chance.randint(*_FRAGMENT), max(_FRAGMENT[0], len(words) // 2))
        starts = [chance.randrange(len(words) - length + 1) for _ in range(_STARTS)]
        runs = [words[start : start + length] for start in starts]
        run = max(runs, key=lambda run: sum({word.folded: self._survey.weight(word.folded) for word in run}.values()))
        dropped = chance.sample(range(1, length - 1), chance.randint(1, 2) if length >= _MANY_WORDS else 1)
        return _joined(text, [word for number, word in enumerate(run) if number not in dropped])


def _as_written(text: str, words: Sequence[Word]) -> Mapping[str, str]:
    """Each word as the text writes it for the first time."""
    return {word.folded: text[word.start : word.end] for word in reversed(words)}


def _joined(text: str, words: Sequence[Word]) -> str:
    """Join words as the text writes them, by spaces where something stood between them."""
    parts: list[str] = []
    end = words[0].start
    for word in words:
        parts.append(("" if word.start == end else " ") + text[word.start : word.end])
        end = word.end
    return "".join(parts)
