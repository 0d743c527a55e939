"""The norm of each head of queries or keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from embed_plugin.encode.session import open_session
from embed_plugin.export.layers.head_norm import head_norm
from embed_plugin.export.onnx_graph.builder import IR_VERSION, OPSET, GraphBuilder

if TYPE_CHECKING:
    import numpy.typing as npt

HEADS, SIZE = 3, 4


def test_every_head_is_normalised_by_itself() -> None:
    rng = np.random.default_rng(1)
    value = rng.standard_normal((2, 5, HEADS * SIZE), np.float32)
    scale = rng.standard_normal(SIZE, np.float32)
    builder = GraphBuilder()
    for name in ("query", "key"):  # heads of one number share constants
        head_norm(builder, name, "value", scale, 1e-6, HEADS)
    parts = value.reshape(2, 5, HEADS, SIZE)
    expected = parts / np.sqrt(np.square(parts).mean(-1, keepdims=True) + 1e-6) * scale
    for found in run(builder, value):
        np.testing.assert_allclose(found, expected.reshape(value.shape), rtol=1e-5)


def run(builder: GraphBuilder, value: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Run the nodes of a builder on one value."""
    given, *found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("value", "query", "key"))
    graph = helper.make_graph(builder.nodes, "norms", [given], found, builder.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return list(open_session(model.SerializeToString()).run(None, {"value": value}))
