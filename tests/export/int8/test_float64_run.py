from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import helper

from conftest import make_checkpoint
from embed_plugin import ExportError
from embed_plugin.encode.session import open_session
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.int8.float64_run import run_in_float64
from embed_plugin.export.int8.quantise import weight_products
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = [np.arange(2, 2 + length)[None] % 30 for length in (1, 5, 40, 200)]


def fp32_graph(tmp_path: Path, config: dict[str, Any] | None = None) -> onnx.ModelProto:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", **(config or {}))
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    return onnx.load(tmp_path / "model" / "model.onnx")


@pytest.mark.parametrize("config", [{}, {"hidden_act": "gelu_new"}, {"hidden_act": "relu"}, {"pooling": "cls"}])
def test_it_gives_what_onnxruntime_gives(tmp_path: Path, config: dict[str, Any]) -> None:
    model = fp32_graph(tmp_path, config)
    ((name, found),) = run_in_float64(model, ["embedding"], INPUTS)
    session = open_session(model.SerializeToString())
    assert name == "embedding"
    for ids, vectors in zip(INPUTS, found, strict=True):
        assert vectors.dtype == np.float64
        np.testing.assert_allclose(vectors, session.run(None, {"input_ids": ids})[0], atol=1e-6)


def test_values_come_in_the_order_of_the_graph_one_for_each_text(tmp_path: Path) -> None:
    model = fp32_graph(tmp_path)
    wanted = list(dict.fromkeys(product.value for product in weight_products(model)))
    found = list(run_in_float64(model, wanted[::-1], INPUTS))
    assert [name for name, _ in found] == wanted
    assert all([value.shape[1] for value in values] == [1, 5, 40, 200] for _, values in found)


def test_a_text_is_run_as_if_it_were_alone(tmp_path: Path) -> None:
    model = fp32_graph(tmp_path)
    ((_, together),) = run_in_float64(model, ["embedding"], INPUTS)
    ((_, alone),) = run_in_float64(model, ["embedding"], INPUTS[1:2])
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-12)


def test_what_cannot_be_run_is_named() -> None:
    graph = GraphBuilder()
    floats = graph.node("Cast", "floats", "input_ids", to=onnx.TensorProto.FLOAT)
    graph.node("FusedMatMulActivation", "embedding", floats, floats, domain="com.microsoft")
    with pytest.raises(ExportError, match=r"operator FusedMatMulActivation \(embedding\) cannot be run in float64"):
        list(run_in_float64(graph.model("embedding", [2]), ["embedding"], INPUTS))


@pytest.mark.parametrize("operator", ["Erf", "Gelu"])
def test_own_operators_are_those_of_onnxruntime(operator: str) -> None:
    x = np.linspace(-6, 6, 2001)[None]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", ["floats", "factor"], ["x"]),
            helper.make_node(operator, ["x"], ["y"]),
        ],
        "one",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, None)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array(1e-3, np.float32), "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    ids = np.rint(x * 1000).astype(np.int64)
    ((_, found),) = run_in_float64(model, ["y"], [ids])
    expected = open_session(model.SerializeToString()).run(None, {"input_ids": ids})[0]
    np.testing.assert_allclose(found[0], expected, atol=2e-6)


def test_rows_are_added_where_onnxruntime_adds_them() -> None:
    rng = np.random.default_rng(3)
    constants = {"data": rng.standard_normal((5, 4), np.float32), "rows": rng.standard_normal((3, 4), np.float32)}
    graph = GraphBuilder()
    places = graph.node("Unsqueeze", "places", "input_ids", graph.weight("last", [-1], np.int64))
    names = [graph.weight(name, values) for name, values in constants.items()]
    graph.node("ScatterND", "embedding", names[0], places, names[1], reduction="add")
    model, ids = graph.model("embedding", [4]), np.array([4, 1, 4])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, [3]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, [5, 4]))
    ((_, found),) = run_in_float64(model, ["embedding"], [ids])
    expected = open_session(model.SerializeToString()).run(None, {"input_ids": ids})[0]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
