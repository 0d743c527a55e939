"""Write an ONNX graph node by node."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.export.onnx_graph.edit import move_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    WeightSource = Callable[[str], npt.NDArray[np.float32]]

OPSET = 23
"""The first opset with Attention as one operator; onnxruntime 1.24.1 is the first release that runs all of it
(1.23 has no QuantizeLinear of this opset)."""

LONG_TEXT_TOKENS = 192
"""Text length from which com.microsoft's MultiHeadAttention is faster; Attention is faster below.

Microseconds of MultiHeadAttention and of Attention for 12 heads of 32 (onnxruntime 1.32, one core of a Zen 4, medians
of 80 in turn): 5 texts of 50 tokens 471 and 382, 3 of 80 522 and 435, 2 of 128 807 and 764, one of 180 783 and 749, of
256 1395 and 1495, of 400 3221 and 3735. The If that chooses between them costs 3 to 5.
"""

IR_VERSION = 10
INPUT, OUTPUT = "input_ids", "embedding"
TO_THE_END = np.iinfo(np.int64).max


class GraphBuilder:
    """Collects nodes and weights; its methods return the name of the value that they add."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._names: set[str] = set()
        self._is_short = ""

    def has(self, name: str) -> bool:
        """Tell if the graph has a constant, or the value of a node, of this name."""
        return name in self._names

    def weight(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant."""
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype, order="C"), name))
        self._names.add(name)
        return name

    def node(self, operator: str, name: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """Add one operator with one output, which carries the node's name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes)  # type: ignore[arg-type]
        )
        self._names.add(name)
        return name

    def constant(self, name: str, values: Callable[[], npt.ArrayLike], dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant where the graph does not have it yet: parts that share weights have one copy."""
        return name if self.has(name) else self.weight(name, values(), dtype)

    def product(self, name: str, value: str, weight: npt.NDArray[np.float32], *, stored: str = "") -> str:
        """``value @ weight.T``: the weight as torch stores it, ``(out, in)``; ``stored`` names one that is shared."""
        return self.node("MatMul", name, value, self.constant(f"{stored or name}.weight", lambda: weight.T))

    def linear(
        self,
        name: str,
        value: str,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        *,
        stored: str = "",
    ) -> str:
        """``value @ weight.T + bias``."""
        product = self.product(f"{name}.product", value, weight, stored=f"{stored or name}.product")
        return self.node("Add", name, product, self.constant(f"{stored or name}.bias", lambda: bias))

    def layer_norm(
        self,
        name: str,
        value: str,
        weights: WeightSource,
        epsilon: float,
        *,
        has_bias: bool = True,
        stored: str = "",
    ) -> str:
        """A layer normalisation of the checkpoint, over the channels; ``stored`` is its name there, if another."""
        kept = stored or name
        parts = [f"{kept}.weight", f"{kept}.bias"] if has_bias else [f"{kept}.weight"]
        constants = [self.constant(part, partial(weights, part)) for part in parts]
        return self.node("LayerNormalization", name, value, *constants, axis=-1, epsilon=epsilon)

    def rms_norm(self, name: str, value: str, scale: npt.NDArray[np.float32], epsilon: float) -> str:
        """``scale * x / sqrt(mean(x ** 2) + epsilon)`` over the channels: Zhang and Sennrich, 2019."""
        return self.node(
            "RMSNormalization", name, value, self.weight(f"{name}.weight", scale), axis=-1, epsilon=epsilon
        )

    def token(self, hidden: str, index: Literal[0, -1]) -> str:
        """The first or the last token: ``(n, length, hidden_size)`` to ``(n, 1, hidden_size)``."""
        name = f"{hidden}.token.{index}"
        start = self.weight(f"{name}.start", [index], np.int64)
        end = self.weight(f"{name}.end", [index + 1 or TO_THE_END], np.int64)
        return self.node("Slice", name, hidden, start, end, self.weight(f"{name}.axis", [1], np.int64))

    def attention(self, name: str, query: str, key: str, value: str, *, heads: int) -> str:
        """Attention without a mask, by the faster operator for the length of the run's texts.

        Texts of a run have one length, so the choice depends, as a vector must, on the text alone.
        """
        short = helper.make_node(
            "Attention", [query, key, value], [f"{name}.short"], q_num_heads=heads, kv_num_heads=heads
        )
        long = helper.make_node(
            "MultiHeadAttention", [query, key, value], [f"{name}.long"], domain="com.microsoft", num_heads=heads
        )
        branches = [
            helper.make_graph([node], node.output[0], [], [_float_output(node.output[0])]) for node in (short, long)
        ]
        return self.node("If", name, self.is_short(), then_branch=branches[0], else_branch=branches[1])

    def is_short(self) -> str:
        """A boolean for :meth:`attention`: the texts of the run are short."""
        if not self._is_short:
            length = self.node("Shape", "attention.length", INPUT, start=1, end=2)
            length = self.node("Squeeze", "attention.tokens", length)
            limit = self.weight("attention.limit", [LONG_TEXT_TOKENS], np.int64)
            self._is_short = self.node("Less", "attention.is_short", length, limit)
        return self._is_short

    def model(self, output: str, shape: Sequence[int | str]) -> onnx.ModelProto:
        """The finished model: ``input_ids`` int64 ``(n, length)`` to a float32 output ``(n, *shape)``.

        The builder has no weights afterwards.

        Args:
            output: Name of the value.
            shape: Of one row; a name stands for a number that differs from run to run.
        """
        ids = helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["n", "length"])
        vectors = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", *shape])
        graph = helper.make_graph(self.nodes, "text_encoder", [ids], [vectors])
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="embed-plugin")
        move_weights(self.weights, model.graph)
        return model


def _float_output(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def dimension_of(model: onnx.ModelProto) -> int:
    """Length of a finished model's vectors."""
    return int(model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value)
