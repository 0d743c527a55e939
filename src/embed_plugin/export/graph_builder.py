"""Write an ONNX graph node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    WeightSource = Callable[[str], npt.NDArray[np.float32]]

OPSET = 20
"""The first opset with Gelu as one operator.

Opset 23 has Attention as one operator, but onnxruntime 1.22 does not load it, and it gains little over
com.microsoft's MultiHeadAttention: int8 all-MiniLM-L6-v2 took 20.2 ms for 5 texts of 50 tokens with the latter, 19.2
with the former, 19.5 with plain MatMul and Softmax; for one text of 256 tokens 23.8, 23.6 and 24.7 (onnxruntime 1.32,
Ice Lake, one core, medians of 60 in turn on a machine that was not idle).
"""

IR_VERSION = 10
INPUT, OUTPUT = "input_ids", "embedding"


class GraphBuilder:
    """Collects nodes and weights; every method returns the name of the value it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, name: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """Add one operator with one output, which carries the node's name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes)  # type: ignore[arg-type]
        )
        return name

    def product(self, name: str, value: str, weight: npt.NDArray[np.float32]) -> str:
        """``value @ weight.T``: the weight as torch stores it, ``(out, in)``."""
        return self.node("MatMul", name, value, self.weight(f"{name}.weight", weight.T))

    def linear(self, name: str, value: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
        """``value @ weight.T + bias``."""
        product = self.product(f"{name}.product", value, weight)
        return self.node("Add", name, product, self.weight(f"{name}.bias", bias))

    def layer_norm(self, name: str, value: str, weights: WeightSource, epsilon: float) -> str:
        """A layer normalisation of the checkpoint, over the channels."""
        scale, bias = (self.weight(part, weights(part)) for part in (f"{name}.weight", f"{name}.bias"))
        return self.node("LayerNormalization", name, value, scale, bias, axis=-1, epsilon=epsilon)

    def model(self, dimension: int) -> onnx.ModelProto:
        """The finished model: ``input_ids`` int64 ``(n, length)`` to ``embedding`` float32 ``(n, dimension)``."""
        ids = helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["n", "length"])
        vectors = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", dimension])
        graph = helper.make_graph(self.nodes, "text_encoder", [ids], [vectors], self.weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="embed-plugin")


def dimension_of(model: onnx.ModelProto) -> int:
    """Length of the vectors that a finished model gives."""
    return int(model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value)
