"""The questions about this repository stay true, and what counts as an answer."""

from __future__ import annotations

from collections import Counter

import pytest

from lib.fused_rankings import KS, WEIGHTS, fused, ways
from lib.own_questions import (
    Answer,
    FoundChunk,
    Question,
    plain,
    read_questions,
    score,
    tiny_share,
    unanswerable,
)
from lib.workloads import ROOT

QUESTION = Question("q", "why", "?", (Answer("a.md", "the cat sat"), Answer("b.md", "a dog")))
RIGHT, RIGHT_FILE = FoundChunk("a.md", "Yes:\n\nthe  cat\nsat."), FoundChunk("b.md", "no animals")
WRONG = [FoundChunk(f"{name}.md", "the cat sat") for name in "cde"]


def test_every_passage_is_still_in_its_file() -> None:
    places = {(answer.file, answer.passage) for question in read_questions() for answer in question.answers}
    texts = {file: plain((ROOT / file).read_text(encoding="utf-8")) for file, _ in places}
    assert [place for place in places if texts[place[0]].count(plain(place[1])) != 1] == []


def test_there_are_forty_of_mixed_kinds() -> None:
    questions = read_questions()
    assert len({question.id for question in questions}) == len({question.text for question in questions}) == 40
    kinds = Counter(question.kind for question in questions)
    assert kinds.keys() == {"how-to", "reference", "why", "error", "code"}
    assert kinds["code"] == 8
    sources = ("docs/", "src/", "README.md")
    assert all(file.startswith(sources) for question in questions for file in question.files)


def test_a_file_has_the_rank_of_its_best_chunk() -> None:
    figures = score([QUESTION], {"q": [WRONG[0], WRONG[0], WRONG[1], RIGHT_FILE]})
    assert (figures.first, figures.in_top, figures.passages) == (0, 1, 0)
    assert figures.mrr == pytest.approx(1 / 3)
    assert figures.duplicates == 2
    late = score([QUESTION], {"q": [*WRONG, RIGHT_FILE]})
    assert (late.in_top, late.mrr) == (0, 0.25)


def test_the_passage_counts_in_a_chunk_of_its_file_alone() -> None:
    assert score([QUESTION], {"q": [*WRONG[:2], RIGHT]}).passages == 1
    assert score([QUESTION], {"q": [*WRONG, RIGHT]}).passages == 0
    assert unanswerable([QUESTION], [*WRONG, RIGHT_FILE]) == ["q"]
    assert unanswerable([QUESTION], [RIGHT]) == []


def test_texts_of_at_most_four_words_are_tiny() -> None:
    assert tiny_share(["## Heading of four words", "## Heading", "{", "five words are not tiny"]) == 0.5


def test_each_ranking_is_there_alone_once_and_every_fusion_with_every_k() -> None:
    made = list(ways(["dense", "bm25"]))
    assert [name for name, _, _ in made][:2] == ["dense", "bm25"]
    assert len({name for name, _, _ in made}) == len(made) == 2 + (len(WEIGHTS) - 2) * len(KS)
    rankings = {"dense": ["a", "b"], "bm25": ["c"]}
    assert fused(rankings, (1, 0), 2) == ["a", "b"]
    assert fused(rankings, (1, 3), 2) == ["c", "a", "b"]
