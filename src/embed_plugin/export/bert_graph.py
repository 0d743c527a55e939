"""Write the ONNX graph of a BERT-family encoder straight from its weights.

``input_ids`` int64 ``(n, length)`` goes in, ``embedding`` float32 ``(n, dimension)`` comes out: no attention mask,
for every text of a run has the same token count; pooling and L2 normalisation are part of the graph. The layers are
those of "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018), post-layer-norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from embed_plugin.contracts import Pooling
    from embed_plugin.export.checkpoint import BertConfig

    WeightSource = Callable[[str], npt.NDArray[np.float32]]

OPSET = 20
"""The first opset with Gelu as one operator.

Opset 23 has Attention as one operator, but onnxruntime 1.22 does not load it, and it gains little over
com.microsoft's MultiHeadAttention: int8 all-MiniLM-L6-v2 took 20.2 ms for 5 texts of 50 tokens with the latter, 19.2
with the former, 19.5 with plain MatMul and Softmax; for one text of 256 tokens 23.8, 23.6 and 24.7 (onnxruntime 1.32,
Ice Lake, one core, medians of 60 in turn on a machine that was not idle).
"""

IR_VERSION = 10
NORMALISE_EPSILON = 1e-12
"""Added to the squared length before the root, so that a zero vector stays finite; torch's normalize uses 1e-12."""


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

    def linear(self, name: str, value: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
        """``value @ weight.T + bias``: the weight as torch stores it, ``(out, in)``."""
        product = self.node("MatMul", f"{name}.product", value, self.weight(f"{name}.weight", weight.T))
        return self.node("Add", name, product, self.weight(f"{name}.bias", bias))

    def model(self, input_name: str, output_name: str, dimension: int) -> onnx.ModelProto:
        """The finished model."""
        ids = helper.make_tensor_value_info(input_name, TensorProto.INT64, ["n", "length"])
        vectors = helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["n", dimension])
        graph = helper.make_graph(self.nodes, "text_encoder", [ids], [vectors], self.weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="embed-plugin")


class BertGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward, pool."""

    def __init__(self, config: BertConfig, weights: WeightSource, pooling: Pooling) -> None:
        self.config = config
        self.weights = weights
        self.pooling = pooling
        self.graph = GraphBuilder()

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed("input_ids")
        for index in range(self.config.num_hidden_layers):
            last = index == self.config.num_hidden_layers - 1
            hidden = self.layer(index, hidden, first_token_only=last and self.pooling == "cls")
        self.normalise(self.pool(hidden))
        return self.graph.model("input_ids", "embedding", self.config.hidden_size)

    def embed(self, input_ids: str) -> str:
        """Word, position and segment embeddings; the last two, both constant, are one table."""
        graph, config = self.graph, self.config
        first = config.first_position
        positions = self.weights("embeddings.position_embeddings.weight")[first : first + config.positions]
        positions = positions + self.weights("embeddings.token_type_embeddings.weight")[0]
        table = graph.weight("positions.table", positions)
        shape = graph.node("Shape", "input.length", input_ids, start=1, end=2)
        start, axis = graph.weight("zero", [0], np.int64), graph.weight("positions.axis", [0], np.int64)
        used = graph.node("Slice", "positions", table, start, shape, axis)
        words = graph.weight("words.table", self.weights("embeddings.word_embeddings.weight"))
        looked_up = graph.node("Gather", "words", words, input_ids)
        return self.layer_norm("embeddings.LayerNorm", graph.node("Add", "embeddings", looked_up, used))

    def layer(self, index: int, hidden: str, *, first_token_only: bool) -> str:
        """One transformer layer.

        With ``first_token_only`` queries, output and feed-forward run on the first token alone: nothing else of the
        last layer reaches a CLS-pooled vector. The result is then ``(n, 1, hidden_size)``.
        """
        graph, name = self.graph, f"encoder.layer.{index}"
        kept = self.first_token(hidden) if first_token_only else hidden
        attended = graph.node(
            "MultiHeadAttention",
            f"{name}.attention",
            self.linear(f"{name}.attention.self.query", kept),
            self.linear(f"{name}.attention.self.key", hidden),
            self.linear(f"{name}.attention.self.value", hidden),
            domain="com.microsoft",
            num_heads=self.config.num_attention_heads,
        )
        projected = self.linear(f"{name}.attention.output.dense", attended)
        added = graph.node("Add", f"{name}.attention.residual", projected, kept)
        middle = self.layer_norm(f"{name}.attention.output.LayerNorm", added)
        widened = self.activate(f"{name}.activation", self.linear(f"{name}.intermediate.dense", middle))
        narrowed = self.linear(f"{name}.output.dense", widened)
        return self.layer_norm(
            f"{name}.output.LayerNorm", graph.node("Add", f"{name}.output.residual", narrowed, middle)
        )

    def linear(self, name: str, value: str) -> str:
        """A linear layer of the checkpoint."""
        return self.graph.linear(name, value, self.weights(f"{name}.weight"), self.weights(f"{name}.bias"))

    def layer_norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        scale = self.graph.weight(f"{name}.weight", self.weights(f"{name}.weight"))
        bias = self.graph.weight(f"{name}.bias", self.weights(f"{name}.bias"))
        return self.graph.node(
            "LayerNormalization", name, value, scale, bias, axis=-1, epsilon=self.config.layer_norm_eps
        )

    def activate(self, name: str, value: str) -> str:
        """The feed-forward activation."""
        if self.config.activation == "relu":
            return self.graph.node("Relu", name, value)
        approximate = "tanh" if self.config.activation == "gelu_tanh" else "none"
        return self.graph.node("Gelu", name, value, approximate=approximate)

    def first_token(self, hidden: str) -> str:
        """``(n, length, hidden_size)`` to ``(n, 1, hidden_size)``."""
        graph = self.graph
        end, axis = graph.weight("first.end", [1], np.int64), graph.weight("first.axis", [1], np.int64)
        return graph.node("Slice", "first_token", hidden, "zero", end, axis)

    def pool(self, hidden: str) -> str:
        """``(n, length, hidden_size)``, or ``(n, 1, hidden_size)`` for cls, to ``(n, hidden_size)``.

        The mean is left as a sum, for normalising makes both the same vector. It is a product with a row of ones:
        onnxruntime's ReduceMean and ReduceSum add in an order that depends on ``n``, and a text's vector may not.
        """
        graph = self.graph
        axis = graph.weight("pool.axis", [1], np.int64)
        if self.pooling == "cls":
            return graph.node("Squeeze", "pooled", hidden, axis)
        row = graph.node("Concat", "ones.shape", graph.weight("one", [1], np.int64), "input.length", axis=0)
        ones = graph.node("ConstantOfShape", "ones", row, value=numpy_helper.from_array(np.ones(1, np.float32)))
        return graph.node("Squeeze", "pooled", graph.node("MatMul", "sum", ones, hidden), axis)

    def normalise(self, pooled: str) -> str:
        """``x / sqrt(sum(x ** 2) + epsilon)``, row by row."""
        graph = self.graph
        axis = graph.weight("normalise.axis", [-1], np.int64)
        squared = graph.node("ReduceSumSquare", "squared_length", pooled, axis, keepdims=1)
        kept = graph.node("Add", "kept_positive", squared, graph.weight("epsilon", [NORMALISE_EPSILON]))
        return graph.node("Div", "embedding", pooled, graph.node("Sqrt", "vector_length", kept))


def build_graph(config: BertConfig, weights: WeightSource, pooling: Pooling) -> onnx.ModelProto:
    """Build the fp32 graph of a BERT-family checkpoint.

    Args:
        config: The checkpoint's shape.
        weights: Gives a tensor by its name in the checkpoint, as float32.
        pooling: How token vectors become one vector.
    """
    return BertGraph(config, weights, pooling).build()
