"""The output of late interaction against plain numpy, and attention that leaves a query's expansion out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embed_plugin import ExportError
from embed_plugin.encode.session import open_session
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.onnx_graph.builder import INPUT, LONG_TEXT_TOKENS, GraphBuilder
from embed_plugin.export.outputs.tokens import TokenDense, TokensOutput
from embed_plugin.model.late_interaction import LateInteractionFacts

MASK, HEADS = 7, 2
RANDOM = np.random.default_rng(5)
TABLE = RANDOM.standard_normal((50, 32)).astype(np.float32)
DENSE = (
    TokenDense(RANDOM.standard_normal((24, 32), np.float32), RANDOM.standard_normal(24, np.float32)),
    TokenDense(RANDOM.standard_normal((8, 24), np.float32)),
)


def facts(query_length: int, *, sees: bool = False) -> LateInteractionFacts:
    return LateInteractionFacts(1, 2, query_length, MASK, sees, ())


def model(late: LateInteractionFacts, attention: Attention) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """A graph whose token vectors attend to each other once."""
    graph = GraphBuilder()
    words = graph.node("Gather", "words", graph.weight("table", TABLE), INPUT)
    attended = attention.write(graph, "attention", words, words, words)
    return open_session(TokensOutput(DENSE, late).finish(graph, attended, 32).SerializeToString())


def expected(ids: Any, sees: Any) -> Any:  # noqa: ANN401 - arrays
    """Token vectors of one text, of which ``sees`` says what sees what."""
    by_head = TABLE[ids].astype(np.float64).reshape(len(ids), HEADS, -1).swapaxes(0, 1)
    scores = np.where(sees, by_head @ by_head.swapaxes(1, 2) / 4, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attended = (shares / shares.sum(axis=-1, keepdims=True) @ by_head).swapaxes(0, 1).reshape(len(ids), -1)
    vectors = (attended @ DENSE[0].weight.T + DENSE[0].bias) @ DENSE[1].weight.T
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def texts(length: int) -> Any:  # noqa: ANN401
    """Texts of one length with none, few and many expansion tokens at their ends, and one in the middle."""
    ids = np.random.default_rng(length).integers(8, 50, (5, length))
    ids[1, -2:] = ids[2, 3:] = ids[3, 1] = MASK
    return ids


@pytest.mark.parametrize("window", [None, 30])
@pytest.mark.parametrize("length", [5, 20, 32])
def test_tokens_see_no_expansion(length: int, window: int | None) -> None:
    run = model(facts(32), Attention(HEADS, window=window))
    ids = texts(length)
    together = run.run(None, {INPUT: ids})[0]
    places = np.arange(length)
    near = np.abs(places[:, None] - places) <= (window or length)
    for text, found in zip(ids, together, strict=True):
        seen = np.flatnonzero(text != MASK).max() + 1
        np.testing.assert_allclose(found, expected(text, near & (places < seen)), atol=3e-6)
        np.testing.assert_array_equal(run.run(None, {INPUT: text[None]})[0][0], found)


def test_long_queries_see_none_either() -> None:
    ids = np.random.default_rng(1).integers(8, 50, (2, LONG_TEXT_TOKENS + 8))
    ids[0, -5:] = MASK
    found = model(facts(LONG_TEXT_TOKENS + 8), Attention(HEADS)).run(None, {INPUT: ids})[0]
    np.testing.assert_allclose(found[0], expected(ids[0], np.arange(ids.shape[1]) < ids.shape[1] - 5), atol=3e-6)


def test_an_expansion_that_is_attended_to_is_as_any_other_token() -> None:
    ids = texts(20)
    found = model(facts(32, sees=True), Attention(HEADS)).run(None, {INPUT: ids})[0]
    np.testing.assert_allclose(found[1], expected(ids[1], np.ones((20, 20), bool)), atol=3e-6)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (Attention(HEADS, causal=True), r"with causal attention \(attention\): that is not written"),
        (Attention(HEADS, bias=np.zeros((2, 99), np.float32)), "attention with a bias"),
        (Attention(HEADS, window=28), "a layer's window is 28 to either side"),
    ],
)
def test_other_attention_is_refused(attention: Attention, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        model(facts(32), attention)
