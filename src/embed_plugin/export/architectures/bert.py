"""Write the ONNX graph of a BERT-family encoder straight from its weights.

``input_ids`` int64 ``(n, length)`` goes in, ``embedding`` float32 ``(n, dimension)`` comes out: no attention mask,
for every text of a run has the same token count; the head (pooling, L2 normalisation) is part of the graph. The layers
are those of "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018), post-layer-norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.outputs.vector import add_head, take_token

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.architectures.bert_config import BertConfig
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.vector import Head


class BertGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: BertConfig, weights: WeightSource, head: Head) -> None:
        self.config = config
        self.weights = weights
        self.head = head
        self.graph = GraphBuilder()

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed(INPUT)
        for index in range(self.config.num_hidden_layers):
            last = index == self.config.num_hidden_layers - 1
            hidden = self.layer(index, hidden, first_token_only=last and self.head.pooling == "cls")
        add_head(self.graph, hidden, self.head)
        return self.graph.model(self.head.dimension(self.config.hidden_size))

    def embed(self, input_ids: str) -> str:
        """Word, position and segment embeddings; the last two, both constant, are one table."""
        graph, config = self.graph, self.config
        first = config.first_position
        positions = self.weights("embeddings.position_embeddings.weight")[first:]
        if len(positions) != config.positions:
            found = f"the weights have {len(positions)} positions, and config.json says {config.positions}"
            raise ExportError(f"{found}: take config.json and weights of one model, fetched again")
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
        kept = take_token(graph, hidden, 0) if first_token_only else hidden
        attended = graph.attention(
            f"{name}.attention",
            self.linear(f"{name}.attention.self.query", kept),
            self.linear(f"{name}.attention.self.key", hidden),
            self.linear(f"{name}.attention.self.value", hidden),
            heads=self.config.num_attention_heads,
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
        return self.graph.layer_norm(name, value, self.weights, self.config.layer_norm_eps)

    def activate(self, name: str, value: str) -> str:
        """The feed-forward activation."""
        if self.config.activation == "relu":
            return self.graph.node("Relu", name, value)
        approximate = "tanh" if self.config.activation == "gelu_tanh" else "none"
        return self.graph.node("Gelu", name, value, approximate=approximate)


def build_graph(config: BertConfig, weights: WeightSource, head: Head) -> onnx.ModelProto:
    """Build the fp32 graph of a BERT-family checkpoint.

    Args:
        config: The checkpoint's shape.
        weights: Gives a tensor by its name in the checkpoint, as float32.
        head: What follows the token vectors.
    """
    return BertGraph(config, weights, head).build()
