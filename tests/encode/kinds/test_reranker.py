"""The reranker as a user has it; its scores are compared with others' in tests/export."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, InvalidTextError, ModelFolderError, Reranker
from embed_plugin.protocols import TextReranker
from embed_plugin.testing import FakeReranker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUERY, TEXTS = "the cat", ["the cat sat", "", "a dog ran fast", "the cat sat", "blue " * 200]


@pytest.fixture(scope="module")
def reranker(tiny_reranker: Callable[..., Path]) -> Reranker:
    return Reranker.load(tiny_reranker("int8"))


def test_scores_are_in_the_order_of_the_texts(reranker: Reranker) -> None:
    scores = reranker.score(QUERY, TEXTS)
    assert scores.shape == (5,)
    assert scores.dtype == np.float32
    assert scores[0] == scores[3]
    np.testing.assert_array_equal(scores, [reranker.score(QUERY, [text])[0] for text in TEXTS])
    np.testing.assert_array_equal(scores, reranker.score_pairs([(QUERY, text) for text in TEXTS]))
    assert reranker.score(QUERY, []).shape == (0,)


def test_texts_are_ranked_and_of_equal_scores_the_first_comes_first(reranker: Reranker) -> None:
    scores = reranker.score(QUERY, TEXTS)
    ranked = reranker.rank(QUERY, TEXTS)
    assert [score for _, score in ranked] == sorted(map(float, scores), reverse=True)
    assert [index for index, _ in ranked if index in {0, 3}] == [0, 3]
    assert reranker.rank(QUERY, TEXTS, top_k=2) == ranked[:2]


def test_pairs_with_many_queries_keep_their_order(reranker: Reranker) -> None:
    pairs = [(query, text) for text in TEXTS for query in ("the cat", "a dog")]
    expected = [reranker.score(query, [text])[0] for query, text in pairs]
    np.testing.assert_array_equal(reranker.score_pairs(pairs), expected)


def test_windows_workers_and_asyncio_change_no_bit(reranker: Reranker, tiny_reranker: Callable[..., Path]) -> None:
    texts, expected = TEXTS * 30, np.tile(reranker.score(QUERY, TEXTS), 30)
    small = Reranker.load(tiny_reranker("int8"), EncoderSettings(window_texts=7, workers=2, token_budget=20))
    np.testing.assert_array_equal(small.score(QUERY, texts), expected)
    np.testing.assert_array_equal(asyncio.run(small.ascore(QUERY, texts)), expected)
    np.testing.assert_array_equal(asyncio.run(small.ascore_pairs([(QUERY, text) for text in texts])), expected)
    assert asyncio.run(small.arank(QUERY, TEXTS)) == reranker.rank(QUERY, TEXTS)


def test_a_pickled_reranker_gives_the_same_scores(reranker: Reranker) -> None:
    other = pickle.loads(pickle.dumps(reranker))  # noqa: S301 - made in the line
    assert other.fingerprint == reranker.fingerprint
    np.testing.assert_array_equal(other.score(QUERY, TEXTS), reranker.score(QUERY, TEXTS))


def test_tokens_are_counted_and_cut_pairs_too(tiny_reranker: Callable[..., Path]) -> None:
    reranker = Reranker.load(tiny_reranker("int8"))
    counts = reranker.count_tokens([(QUERY, text) for text in TEXTS])
    assert counts.tolist()[1:2] == [len(reranker.pairs.tokenise([(QUERY, "")]).ids[0])]
    assert counts[-1] == reranker.max_tokens == 64
    reranker.score(QUERY, TEXTS)
    assert reranker.runtime.cut_texts == 1


@pytest.mark.parametrize("make", [Reranker.load, lambda _: FakeReranker()])
@pytest.mark.parametrize(
    ("query", "texts", "error", "said"),
    [
        ("", ["a"], InvalidInputError, "the query is empty"),
        (" \n", ["a"], InvalidInputError, "the query is empty"),
        (None, ["a"], InvalidInputError, "the query is a NoneType; expected a str"),
        ("\ud800", ["a"], InvalidInputError, "the query holds a lone surrogate"),
        ("a", "text", InvalidInputError, r"found one str: pass \[text\]"),
        ("a", ["b", 3], InvalidTextError, "text 1: is a int; expected a str"),
        ("a", ["b", "\udcff"], InvalidTextError, "text 1: holds a lone surrogate"),
    ],
)
def test_bad_input_is_named(
    tiny_reranker: Callable[..., Path],
    make: Callable[[Path], TextReranker],
    query: Any,  # noqa: ANN401 - of wrong types
    texts: Any,  # noqa: ANN401 - the same
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        make(tiny_reranker("int8")).score(query, texts)


@pytest.mark.parametrize(
    ("pairs", "error", "said"),
    [
        ("ab", InvalidInputError, "expected a list of pairs, found one str"),
        ([("a", "b"), "cd"], InvalidTextError, r"text 1: is 'cd'; expected a pair"),
        ([("a", "b"), ("c", None)], InvalidTextError, "text 1: is a NoneType"),
        ([("a", "b"), ("", "c")], InvalidInputError, "the query of pair 1 is empty"),
    ],
)
def test_bad_pairs_are_named(reranker: Reranker, pairs: Any, error: type[Exception], said: str) -> None:  # noqa: ANN401 - of wrong types
    for scores in (reranker.score_pairs, FakeReranker().score_pairs, reranker.count_tokens):
        with pytest.raises(error, match=said):
            scores(pairs)


@pytest.mark.parametrize("top_k", [0, -1, True, 2.0])
def test_top_k_is_a_number_of_texts(reranker: Reranker, top_k: Any) -> None:  # noqa: ANN401
    for ranks in (reranker, FakeReranker()):
        with pytest.raises(InvalidInputError, match="top_k is"):
            ranks.rank(QUERY, TEXTS, top_k=top_k)


def test_an_instruction_is_refused_where_the_model_takes_none(reranker: Reranker) -> None:
    with pytest.raises(InvalidInputError, match="takes no instruction"):
        reranker.score(QUERY, TEXTS, instruction="Find cats")


def test_long_pairs_are_refused_on_request(tiny_reranker: Callable[..., Path]) -> None:
    reranker = Reranker.load(tiny_reranker("int8"), EncoderSettings(on_long="error", window_texts=2))
    with pytest.raises(InvalidTextError, match="text 4: has more than the 64 tokens"):
        reranker.score(QUERY, TEXTS)


def test_each_class_names_the_other(tiny_reranker: Callable[..., Path], tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match=r"is a reranker, expected .*: load it with embed_plugin\.Reranker"):
        Encoder.load(tiny_reranker("int8"))
    with pytest.raises(ModelFolderError, match=r"expected a reranker: load it with embed_plugin\.Encoder"):
        Reranker.load(tiny_model())


def test_both_are_rerankers_of_the_protocol(reranker: Reranker) -> None:
    fake = FakeReranker()
    assert isinstance(reranker, TextReranker)
    assert isinstance(fake, TextReranker)
    assert fake.rank("the cat", ["a dog", "the cat", "the mat"]) == [(1, 1.0), (2, 0.5), (0, 0.0)]
    assert fake.scored[0] == ("the cat", "a dog")
