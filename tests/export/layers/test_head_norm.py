from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.ordered_sums import ordered_sums
from embed_plugin.export.layers.head_norm import head_norm
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.onnx_graph.builder import OPSET, GraphBuilder
from support.one_operator import rms_norm

HEADS, SIZE, EPSILON = 3, 8, 1e-6
SCALE = np.linspace(0.5, 2, SIZE).astype(np.float32)


def test_every_head_is_normed_alone() -> None:
    graph = GraphBuilder()
    name = head_norm(graph, "norm", "x", SCALE, EPSILON, HEADS)
    x = np.random.default_rng(0).normal(size=(2, 5, HEADS * SIZE)).astype(np.float32)
    given, found = (helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in ("x", name))
    made = helper.make_graph(graph.nodes, "one", [given], [found], graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    y = np.asarray(open_session(model.SerializeToString()).run(None, {"x": x})[0])
    expected = rms_norm(x.reshape(2, 5, HEADS, SIZE), SCALE, EPSILON).reshape(x.shape)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_rotation_behind_it_is_one_operator_with_it() -> None:
    graph = GraphBuilder()
    normed = head_norm(graph, "norm", "x", SCALE, EPSILON, HEADS)
    rotated = Rotations("turn", frequencies(1e4, SIZE), 10).write(graph, normed, heads=HEADS)
    found = ordered_sums(helper.make_graph(graph.nodes, "one", [], [], graph.weights))[rotated]
    assert found.inputs == ["x", "turn.cosines", "turn.sines", "norm.normed.weight"]
    assert found.attributes == {"num_heads": HEADS, "epsilon": pytest.approx(EPSILON)}
