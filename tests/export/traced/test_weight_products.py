"""Traced forms of a linear layer become the one that is quantised; results do not change."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import calibrate
from embed_plugin.export.int8.quantise import quantise, weight_products
from embed_plugin.export.traced.weight_products import expose_weights

RNG = np.random.default_rng(2)
WEIGHTS = {
    "words": RNG.standard_normal((20, 8), np.float32),
    "weight": RNG.standard_normal((8, 8), np.float32),
    "bias": RNG.standard_normal(8, np.float32),
    "stack": RNG.standard_normal((1, 8, 8), np.float32),
    "axis0": np.array([0]),
}
TOKENS = [
    helper.make_node("Gather", ["words", "input_ids"], ["looked.up"]),
    helper.make_node("Neg", ["looked.up"], ["tokens"]),
]
PRODUCT = helper.make_node("MatMul", ["tokens", "weight"], ["product"])
BIAS = helper.make_node("Add", ["product", "bias"], ["out"])


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    return quantise(model, calibrate(model, [np.arange(20)], lambda *_: None))


def values_multiplied(model: onnx.ModelProto) -> list[str]:
    return [product.value for product in weight_products(model)]


def constant(name: str) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [f"{name}.constant"], value=numpy_helper.from_array(WEIGHTS[name]))


def make(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["length"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(values, name) for name, values in WEIGHTS.items()]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph([*TOKENS, *nodes], "graph", [ids], [out], weights), opset_imports=opsets)


def run(model: onnx.ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    model.ir_version = 10
    session = open_session(model.SerializeToString())
    return np.asarray(session.run(None, {"input_ids": np.arange(20)})[0])


@pytest.mark.parametrize(
    "nodes",
    [
        [PRODUCT, BIAS],
        [PRODUCT, helper.make_node("Add", ["bias", "product"], ["out"])],
        [helper.make_node("Gemm", ["tokens", "weight", "bias"], ["out"])],
        [helper.make_node("Gemm", ["tokens", "weight", "bias"], ["out"], transB=1)],
        [
            helper.make_node("Transpose", ["weight"], ["turned"], perm=[1, 0]),
            helper.make_node("MatMul", ["tokens", "turned"], ["product"]),
            BIAS,
        ],
        [
            helper.make_node("Identity", ["weight"], ["second.name"]),
            helper.make_node("MatMul", ["tokens", "second.name"], ["product"]),
            BIAS,
        ],
        [
            constant("weight"),
            constant("bias"),
            helper.make_node("MatMul", ["tokens", "weight.constant"], ["product"]),
            helper.make_node("Add", ["bias.constant", "product"], ["out"]),
        ],
    ],
    ids=["as it is", "bias first", "gemm", "gemm transposed", "transpose", "identity", "constants"],
)
def test_a_linear_layer_is_quantised_in_one_operator(nodes: list[onnx.NodeProto]) -> None:
    model = make(*nodes)
    expected = run(model)
    expose_weights(model.graph)
    np.testing.assert_allclose(run(model), expected, rtol=1e-5, atol=1e-6)
    assert values_multiplied(model) == ["tokens"]
    found = quantised(model)
    assert [node.op_type for node in found.graph.node].count("MatMulIntegerToFloat") == 1
    assert not {"MatMul", "Transpose", "Identity"}.intersection(node.op_type for node in found.graph.node)
    assert np.abs(run(found) - expected).max() < 0.1


def test_each_product_has_int8_weights_of_its_own() -> None:
    again = helper.make_node("MatMul", ["product", "weight"], ["out"])
    model = make(PRODUCT, again)
    expose_weights(model.graph)
    names = [tensor.name for tensor in quantised(model).graph.initializer]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Gemm", ["tokens", "weight", "bias"], ["out"], alpha=0.5)],
        [helper.make_node("MatMul", ["tokens", "stack"], ["out"])],
        [helper.make_node("Gather", ["weight", "axis0"], ["row"]), helper.make_node("Add", ["tokens", "row"], ["out"])],
    ],
    ids=["scaled gemm", "stack of matrices", "another table"],
)
def test_what_is_no_linear_layer_stays_as_it_is(nodes: list[onnx.NodeProto]) -> None:
    model = make(*nodes)
    expected = run(model)
    expose_weights(model.graph)
    np.testing.assert_array_equal(run(model), expected)
    assert values_multiplied(model) == []
    tables = {tensor.name for tensor in model.graph.initializer}
    assert [node.input[1] for node in model.graph.node if node.op_type == "Gather" and node.input[0] in tables] == [
        "input_ids"
    ]


def test_a_table_added_to_a_product_is_no_bias() -> None:
    position = helper.make_node("Slice", ["words", "axis0", "end"], ["positions"])
    end = helper.make_node("Shape", ["input_ids"], ["end"])
    model = make(PRODUCT, end, position, helper.make_node("Add", ["product", "positions"], ["out"]))
    full = make(PRODUCT, helper.make_node("Add", ["product", "words"], ["out"]))
    expected = run(full)
    np.testing.assert_array_equal(run(model), expected)
    expose_weights(full.graph)
    found = quantised(full)
    assert found.graph.node[-1].op_type == "Add"
    assert np.abs(run(found) - expected).max() < 0.1
