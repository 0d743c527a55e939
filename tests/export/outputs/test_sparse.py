from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import ExportError
from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import calibrate
from embed_plugin.export.int8.kernel_graph import kernel_graph
from embed_plugin.export.int8.quantise import quantise
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.outputs import sparse
from embed_plugin.export.outputs.sparse import MlmHead, SparseOutput
from embed_plugin.kernels import LIBRARY

if TYPE_CHECKING:
    import onnx

    from embed_plugin.types import Rows

WORDS, CHANNELS, TOKENS = 70, 16, 40
DRAWN = np.random.default_rng(5)
TENSORS = {
    "dense.weight": DRAWN.standard_normal((CHANNELS, CHANNELS)).astype(np.float32),
    "dense.bias": DRAWN.standard_normal(CHANNELS).astype(np.float32),
    "norm.weight": np.ones(CHANNELS, np.float32),
    "norm.bias": np.zeros(CHANNELS, np.float32),
    "words": DRAWN.standard_normal((WORDS, CHANNELS)).astype(np.float32),
    "bias": DRAWN.standard_normal(WORDS).astype(np.float32) - 2,
}
TABLE = DRAWN.standard_normal((TOKENS, CHANNELS)).astype(np.float32)
IDS = DRAWN.integers(0, TOKENS, (37, 9))


def head(**changes: str) -> MlmHead:
    parts = {"decoder": "words", "bias": "bias"} | changes
    return MlmHead(TENSORS.__getitem__, "dense", "norm", True, True, 1e-12, "relu", parts["decoder"], parts["bias"])  # noqa: FBT003


def model(output: SparseOutput) -> onnx.ModelProto:
    """A graph whose tokens are rows of a table."""
    graph = GraphBuilder()
    tokens = graph.node("Gather", "tokens", graph.weight("table", TABLE), INPUT)
    return output.finish(graph, graph.node("Identity", "hidden", tokens), CHANNELS)


def run(graph: onnx.ModelProto, ids: np.ndarray, *, threads: int = 1) -> Rows:
    own = any(node.domain == "embed_plugin" for node in graph.graph.node)
    session = open_session(graph.SerializeToString(), library=LIBRARY if own else None, threads=threads)
    return np.asarray(session.run(None, {INPUT: ids})[0])


def expected(output: SparseOutput, ids: np.ndarray) -> np.ndarray:
    """The same in float64, as the papers write it: every token's logarithm, then the largest or the sum."""
    x = np.maximum(TABLE[ids].astype(np.float64) @ TENSORS["dense.weight"].T + TENSORS["dense.bias"], 0)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    bias = TENSORS["bias"] if output.head.bias else 0
    weights = np.log1p(np.maximum(x @ TENSORS["words"].T + bias, 0))
    if output.activation == "log1p_relu":
        weights = np.log1p(weights)
    return np.asarray(weights.max(axis=1) if output.strategy == "max" else weights.sum(axis=1))


@pytest.fixture(autouse=True)
def _few_words_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score the 70 words in parts of 32, 32 and 6."""
    monkeypatch.setattr(sparse, "WORDS_AT_ONCE", 32)


@pytest.mark.parametrize(("strategy", "activation"), list(product(["max", "sum"], ["relu", "log1p_relu"])))
def test_weights_are_those_of_the_papers(strategy: sparse.SparsePooling, activation: sparse.SparseActivation) -> None:
    output = SparseOutput(head(), strategy, activation)
    np.testing.assert_allclose(run(model(output), IDS), expected(output, IDS), rtol=2e-6, atol=4e-6)


def test_words_may_have_no_bias() -> None:
    output = SparseOutput(head(bias=""), "max", "relu")
    np.testing.assert_allclose(run(model(output), IDS), expected(output, IDS), rtol=2e-6, atol=4e-6)


@pytest.mark.parametrize("strategy", ["max", "sum"])
def test_a_text_has_the_same_bits_at_any_place_and_on_any_number_of_threads(strategy: sparse.SparsePooling) -> None:
    graph = model(SparseOutput(head(), strategy, "relu"))
    whole = run(graph, IDS)
    for ids, row in zip(IDS, whole, strict=True):
        np.testing.assert_array_equal(run(graph, ids[None])[0], row)
    np.testing.assert_array_equal(run(graph, IDS, threads=2), whole)


@pytest.mark.parametrize("strategy", ["max", "sum"])
def test_int8_is_near_and_no_words_are_left_out(strategy: sparse.SparsePooling) -> None:
    exact = model(SparseOutput(head(), strategy, "relu"))
    found = calibrate(exact, [ids[None] for ids in IDS], lambda *_: None)
    assert [name for name in found.weights if name.startswith("words.")]
    weights = run(exact, IDS)
    for graph in (quantise(exact, found), *([kernel_graph(exact, found)] if LIBRARY.is_file() else [])):
        rows = run(graph, IDS)
        cosines = (rows * weights).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(weights, axis=1)
        assert cosines.min() > 0.995
        np.testing.assert_array_equal(run(graph, IDS[:1])[0], rows[0])


@pytest.mark.parametrize("changes", [{"decoder": "dense.weight"}, {"bias": "dense.bias"}])
def test_a_head_that_does_not_fit_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ExportError, match=r"has the shape .* the checkpoint is damaged"):
        model(SparseOutput(head(**changes), "max", "relu"))
