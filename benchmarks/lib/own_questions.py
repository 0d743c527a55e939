"""40 questions about this repository's own docs and source, and how well a search answers them.

The questions are in other words than the text's. A file is right if it is one that a question names; a chunk is right
if it is of such a file and holds its passage. White space does not count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.workloads import BENCHMARKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

QUESTIONS = BENCHMARKS / "data" / "own_questions.jsonl"
SOURCES = ("docs", "README.md", "src")
"""What the questions are about, below the repository's root."""

TINY_WORDS = 4
DEPTH, SHOWN, TOP = 10, 5, 3
"""Files of MRR@10, chunks that a search shows by default, and places in which an answer counts."""


@dataclass(frozen=True)
class Answer:
    """A passage that answers a question.

    Attributes:
        file: Its file, below the repository's root.
        passage: Some words of it that stand nowhere else in the file.
    """

    file: str
    passage: str

    def is_in(self, chunk: FoundChunk) -> bool:
        """Return whether a chunk holds the passage."""
        return chunk.file == self.file and plain(self.passage) in plain(chunk.text)


@dataclass(frozen=True)
class Question:
    """A question, and the passages that answer it: one is enough."""

    id: str
    kind: str
    text: str
    answers: tuple[Answer, ...]

    @property
    def files(self) -> set[str]:
        """The right files."""
        return {answer.file for answer in self.answers}


@dataclass(frozen=True)
class FoundChunk:
    """A chunk that a search found."""

    file: str
    text: str


def plain(text: str) -> str:
    """Return a text with a single space for every run of white space."""
    return " ".join(text.split())


def read_questions(path: Path = QUESTIONS) -> list[Question]:
    """Read the questions, one a line."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Question(row["id"], row["kind"], row["question"], tuple(Answer(**answer) for answer in row["answers"]))
        for row in rows
    ]


@dataclass(frozen=True)
class Figures:
    """How well the questions were answered.

    Attributes:
        first: Questions whose right file is the first.
        in_top: Questions whose right file is among the first three.
        mrr: The mean of one over the rank of the right file, among the first ten files.
        passages: Questions whose right chunk is among the first three chunks.
        duplicates: Chunks among the first five of a question that repeat the text of an earlier one, of all questions.
    """

    first: int
    in_top: int
    mrr: float
    passages: int
    duplicates: int


def score(questions: Sequence[Question], found: Mapping[str, Sequence[FoundChunk]]) -> Figures:
    """Score the chunks found for each question's id, best first; a file has the rank of its best chunk."""
    ranks = [_file_rank(question, found[question.id]) for question in questions]
    return Figures(
        first=ranks.count(1),
        in_top=sum(0 < rank <= TOP for rank in ranks),
        mrr=sum(1 / rank for rank in ranks if rank) / len(ranks),
        passages=sum(_is_answered(question, found[question.id][:TOP]) for question in questions),
        duplicates=sum(_repeated(found[question.id][:SHOWN]) for question in questions),
    )


def _file_rank(question: Question, chunks: Sequence[FoundChunk]) -> int:
    """The rank of the first right file, 0 if there is none among the first ten files."""
    files = list(dict.fromkeys(chunk.file for chunk in chunks))[:DEPTH]
    return next((rank for rank, file in enumerate(files, 1) if file in question.files), 0)


def _is_answered(question: Question, chunks: Iterable[FoundChunk]) -> bool:
    return any(answer.is_in(chunk) for chunk in chunks for answer in question.answers)


def _repeated(chunks: Sequence[FoundChunk]) -> int:
    return len(chunks) - len({plain(chunk.text) for chunk in chunks})


def tiny_share(texts: Sequence[str]) -> float:
    """The share of texts of at most four words."""
    return sum(len(text.split()) <= TINY_WORDS for text in texts) / len(texts)


def unanswerable(questions: Sequence[Question], chunks: Sequence[FoundChunk]) -> list[str]:
    """Ids of questions whose passages are in no chunk: all of them were cut in two."""
    return [question.id for question in questions if not _is_answered(question, chunks)]
