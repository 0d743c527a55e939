from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import helper

from embed_plugin.export.int8.kernel_graph import gives_same_bits
from embed_plugin.export.int8.ordered_sums import ordered_sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_no_sum_of_floats_is_left_to_onnxruntime(tiny_model: Callable[..., Path], pooling: str) -> None:
    path = tiny_model(pooling=pooling) / "model.kernels-2.onnx"
    assert gives_same_bits(path)
    assert not gives_same_bits(path.with_name("model.onnx"))
    graph = onnx.load(path, load_external_data=False).graph
    found = Counter(node.op_type for node in graph.node)
    assert (found["UnitRows"], found["SumTokens"]) == (1, pooling == "mean")
    assert found["NormRows"] >= 2  # of the embeddings, and the last one


def test_nothing_is_written_that_nobody_reads(tiny_model: Callable[..., Path]) -> None:
    graph = onnx.load(tiny_model() / "model.kernels-2.onnx", load_external_data=False).graph
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    assert all(read.intersection(node.output) for node in graph.node)
    assert {tensor.name for tensor in graph.initializer} <= read


def graph_of(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(
        nodes, "some", [], [], [helper.make_tensor("epsilon", onnx.TensorProto.FLOAT, [1], [1e-6])]
    )


def unit(divided: str = "x", epsilon: str = "epsilon") -> onnx.GraphProto:
    return graph_of(
        helper.make_node("ReduceSumSquare", ["x"], ["squared"]),
        helper.make_node("Add", ["squared", epsilon], ["positive"]),
        helper.make_node("Sqrt", ["positive"], ["length"]),
        helper.make_node("Div", [divided, "length"], ["y"]),
    )


def test_a_vector_made_unit_length_is_found_with_its_epsilon() -> None:
    found = ordered_sums(unit())["y"]
    assert (found.operator, found.inputs) == ("UnitRows", ["x"])
    assert found.attributes["epsilon"] == pytest.approx(1e-6)


@pytest.mark.parametrize("graph", [unit(divided="other"), unit(epsilon="computed")])
def test_another_division_is_left(graph: onnx.GraphProto) -> None:
    assert ordered_sums(graph) == {}


def test_a_norm_over_another_axis_or_with_its_moments_is_left() -> None:
    along = helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["y"], axis=1)
    moments = helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["z", "mean"])
    assert ordered_sums(graph_of(along, moments)) == {}


def test_norms_without_a_bias_or_a_mean_are_found() -> None:
    plain = helper.make_node("LayerNormalization", ["x", "scale"], ["y"], epsilon=0.5)
    rms = helper.make_node("RMSNormalization", ["x", "scale"], ["z"], epsilon=0.25)
    found = ordered_sums(graph_of(plain, rms))
    assert [found[name].inputs for name in "yz"] == [["x", "scale", ""]] * 2
    assert [found[name].attributes for name in "yz"] == [{"epsilon": 0.5}, {"epsilon": 0.25, "rms": 1}]


def rotation(**attributes: float) -> onnx.NodeProto:
    inputs = ["x", "start", "cosines", "sines"]
    return helper.make_node("RotaryEmbedding", inputs, ["y"], domain="com.microsoft", num_heads=2, **attributes)  # type: ignore[arg-type]


def rotated_graph(start: list[int], node: onnx.NodeProto) -> onnx.GraphProto:
    tensor = helper.make_tensor("start", onnx.TensorProto.INT64, [len(start)], start)
    return helper.make_graph([node], "some", [], [], [tensor])


def test_rotations_are_found() -> None:
    found = ordered_sums(rotated_graph([0], rotation()))["y"]
    assert (found.operator, found.inputs) == ("RotateHeads", ["x", "cosines", "sines", ""])
    assert found.attributes == {"num_heads": 2, "epsilon": 0.0}


@pytest.mark.parametrize(
    ("start", "node"),
    [
        ([1], rotation()),
        ([0, 1], rotation()),
        ([0], rotation(interleaved=1)),
        ([0], rotation(rotary_embedding_dim=8)),
        ([0], rotation(scale=2.0)),
    ],
)
def test_rotations_of_another_kind_are_left(start: list[int], node: onnx.NodeProto) -> None:
    assert ordered_sums(rotated_graph(start, node)) == {}


def test_a_weight_on_the_left_of_what_are_no_columns_is_left() -> None:
    weight = helper.make_tensor("weight", onnx.TensorProto.FLOAT, [1, 1], [2.0])
    node = helper.make_node("MatMul", ["weight", "x"], ["y"])
    assert ordered_sums(helper.make_graph([node], "some", [], [], [weight])) == {}
    column = helper.make_node("MatMul", ["weight", "column"], ["y"])
    found = ordered_sums(helper.make_graph([column], "some", [], [], [weight]))["y"]
    assert (found.operator, found.inputs) == ("MultiplyColumn", ["column", "weight"])


def test_a_product_with_other_constants_is_no_sum() -> None:
    two = helper.make_tensor("two", onnx.TensorProto.FLOAT, [1], [2.0])
    row = helper.make_node("ConstantOfShape", ["shape"], ["row"], value=two)
    assert ordered_sums(graph_of(row, helper.make_node("MatMul", ["row", "x"], ["y"]))) == {}
