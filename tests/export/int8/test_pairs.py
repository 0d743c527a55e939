from __future__ import annotations

from embed_plugin.export.int8.pairs import pairs_by_kind
from embed_plugin.export.int8.texts import GATE_QUERIES, QUERIES


def test_texts_have_far_and_near_queries_by_turns() -> None:
    texts = {QUERIES: ["q1", "q2"], "short": ["one two", "three four", "five six"], "code": ["x = 1"]}
    assert pairs_by_kind(texts) == {
        "short": [("q1", "one two"), ("three four", "three four"), ("q2", "five six")],
        "code": [("q1", "x = 1")],
    }


def test_a_datasets_own_queries_are_queries_too() -> None:
    pairs = pairs_by_kind({QUERIES: ["q"], GATE_QUERIES: ["g"], "gate documents": ["a", "b", "c"]})
    assert pairs == {"gate documents": [("q", "a"), ("b", "b"), ("g", "c")]}


def test_without_queries_texts_give_them_and_long_words_are_cut() -> None:
    assert pairs_by_kind({"short": ["a", "b", ""]}) == {"short": [("b", "b"), ("b", "")]}
    assert pairs_by_kind({"scripts": ["x", "猫" * 90]})["scripts"][1][0] == "猫" * 60
    assert pairs_by_kind({QUERIES: ["one", "two"]}) == {QUERIES: [("one", "one"), ("two", "two")]}
