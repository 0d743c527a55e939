"""The vector output against plain numpy, and what of a checkpoint's modules is read or refused."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from conftest import add_dense, make_checkpoint
from embed_plugin import Encoder, ExportError, SourceError
from embed_plugin.encode.session import open_session
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.output import read_output
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.outputs.vector import Dense, VectorOutput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    import onnxruntime

    Array = npt.NDArray[Any]

TABLE = np.random.default_rng(3).standard_normal((50, 16)).astype(np.float32)
POOLINGS: dict[str, Callable[[Array], Array]] = {
    "cls": lambda tokens: tokens[0],
    "mean": lambda tokens: tokens.mean(axis=0),
    "max": lambda tokens: tokens.max(axis=0),
    "lasttoken": lambda tokens: tokens[-1],
}
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "Relu": lambda x: np.maximum(x, 0),
    "Gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def session(output: VectorOutput) -> onnxruntime.InferenceSession:
    """A graph whose token vectors are rows of a table."""
    graph = GraphBuilder()
    tokens = graph.node("Gather", "tokens", graph.weight("words", TABLE), INPUT)
    return open_session(output.finish(graph, tokens, TABLE.shape[1]).SerializeToString())


def dense(wide: int, narrow: int, activation: Any, *, bias: bool = True) -> Dense:  # noqa: ANN401
    rng = np.random.default_rng(wide * narrow)
    weight, shift = rng.standard_normal((narrow, wide), np.float32), rng.standard_normal(narrow, np.float32)
    return Dense(weight / np.float32(4), shift if bias else None, activation)


def expected(output: VectorOutput, ids: Array) -> Array:
    vector = POOLINGS[output.pooling](TABLE[ids].astype(np.float64))
    for layer in output.dense:
        vector = ACTIVATIONS[layer.activation](layer.weight @ vector + (0 if layer.bias is None else layer.bias))
    return np.asarray(vector / np.sqrt(np.sum(vector**2) + 1e-12))  # a ReLU may leave nothing: zeros stay zeros


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_output_computes_what_it_says(pooling: Any, activation: str, layers: int) -> None:  # noqa: ANN401
    output = VectorOutput(pooling, (dense(16, 24, activation), dense(24, 8, activation, bias=False))[:layers])
    run = session(output)
    for length in (1, 2, 7, 100):
        ids = np.random.default_rng(length).integers(0, 50, (5, length))
        vectors = run.run(None, {INPUT: ids})[0]
        np.testing.assert_allclose(vectors, [expected(output, row) for row in ids], atol=2e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_vector_is_the_same_alone_and_in_any_batch(pooling: Any) -> None:  # noqa: ANN401
    run = session(VectorOutput(pooling, (dense(16, 300, "Tanh"), dense(300, 77, "Gelu"))))
    for length in (1, 2, 5, 64, 511):
        ids = np.random.default_rng(length).integers(0, 50, (9, length))
        together = run.run(None, {INPUT: ids})[0]
        for index in range(9):
            np.testing.assert_array_equal(run.run(None, {INPUT: ids[index:][:1]})[0][0], together[index])
        np.testing.assert_array_equal(run.run(None, {INPUT: ids[::-1][:4]})[0], together[::-1][:4])


def test_int8_leaves_the_dense_layers_exact(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 48, 12)
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(min_cosine=0.9))
    assert spec.dimension == Encoder.load(tmp_path / "model").encode_documents(["a"]).shape[1] == 12
    products = [node for node in onnx.load(tmp_path / "model" / "model.onnx").graph.node if node.op_type == "MatMul"]
    assert [node.name for node in products] == ["sum", "dense.0.product", "dense.1.product"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"activation_function": "my.code.Swish"}, ExportError, r"activation 'my\.code\.Swish'; the graph knows torch"),
        ({"module_input_name": "token_embeddings"}, ExportError, "about sentence_embedding, token_embeddings"),
        ({"bias": False}, SourceError, r"holds linear\.bias, linear\.weight, expected linear\.weight"),
    ],
)
def test_dense_layers_of_another_kind_are_refused(
    tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 8)
    path = checkpoint / "2_Dense" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=message):
        read_output(read_description(checkpoint))


def test_dense_layers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 48, 8)
    with pytest.raises(ExportError, match="takes vectors of 48, and what comes before it gives 32"):
        export(str(checkpoint), tmp_path / "model")


def test_dense_weights_that_torch_did_not_save_are_refused(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 8)
    (checkpoint / "2_Dense" / "model.safetensors").rename(checkpoint / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"2_Dense/pytorch_model\.bin is not read: it is no zip archive"):
        export(str(checkpoint), tmp_path / "model")


def test_another_order_of_the_modules_is_refused(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 8)
    path = checkpoint / "modules.json"
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    order = "has the order Normalize, Dense, Pooling, Transformer; expected StaticEmbedding, Transformer"
    with pytest.raises(ExportError, match=order):
        read_output(read_description(checkpoint))


def test_a_checkpoint_that_says_nothing_pools_by_the_mean(tmp_path: Path) -> None:
    assert read_output(read_description(tmp_path)) == VectorOutput("mean")


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_sqrt_len_tokens": True, "pooling_mode_mean_tokens": False}, "mean"),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, "mean"),
        ({"pooling_mode": ["lasttoken"]}, "lasttoken"),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, "cls"),
    ],
)
def test_a_pooling_is_read_as_either_release_writes_it(tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32)
    (checkpoint / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert read_output(read_description(checkpoint)).pooling == pooling


def test_a_dense_layer_would_see_that_a_scaled_mean_is_not_the_mean(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 8)
    (checkpoint / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean_sqrt_len_tokens"}')
    with pytest.raises(ExportError, match="asks for mean_sqrt_len_tokens, and a dense layer follows"):
        read_output(read_description(checkpoint))


def test_two_poolings_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "1_Pooling" / "config.json").write_text('{"pooling_mode": ["cls", "mean"]}')
    with pytest.raises(ExportError, match=r"asks for \['cls', 'mean'\]; the graph pools by .* one of them"):
        read_output(read_description(checkpoint))
