"""The layers of nomic-bert, jina-embeddings-v3 and jina-reranker-v2: BERT's, with packed projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.layers.activation import activate, gated
from embed_plugin.export.layers.linear import Linears

if TYPE_CHECKING:
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.layers.attention import Attention
    from embed_plugin.export.layers.rotary import Rotations
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource


def names_in_transformers(name: str, attention: str) -> tuple[str, ...]:
    """The names of a weight in transformers' class, where the projections of attention are three weights."""
    name = name.replace("encoder.layers.", "layers.")
    if f".{attention}.Wqkv." in name:
        return tuple(name.replace(f"{attention}.Wqkv", f"self_attn.{part}_proj") for part in "qkv")
    return (name.replace(f"{attention}.out_proj", "self_attn.o_proj"),)


@dataclass(frozen=True)
class Biases:
    """The linear layers that have a bias: the projections of attention, and the two ends of the feed-forward half."""

    projections: bool
    wide: bool
    narrow: bool


@dataclass(frozen=True)
class PackedLayers:
    """Writes the parts of the layers of one checkpoint.

    Attributes:
        graph: They are added to it.
        weights: The checkpoint's tensors.
        attention: The rule of attention.
        rotations: Of queries and keys; None: positions are in the embeddings.
        biases: The linear layers that have one.
        activation: Of the feed-forward half.
        epsilon: Of the norms.
        attention_name: Name of a layer's attention in the checkpoint.
    """

    graph: GraphBuilder
    weights: WeightSource
    attention: Attention
    rotations: Rotations | None
    biases: Biases
    activation: Activation
    epsilon: float
    attention_name: str

    def attend(self, name: str, hidden: str) -> str:
        """The first half of a layer, normalised."""
        graph, stored, heads = self.graph, f"{name}.{self.attention_name}", self.attention.heads
        query, key, value = self.projections(stored, hidden)
        if self.rotations is not None:
            query, key = (self.rotations.write(graph, each, heads=heads) for each in (query, key))
        attended = self.attention.write(graph, f"{name}.attention", query, key, value)
        projected = self.linear(f"{stored}.out_proj", attended, has_bias=self.biases.projections)
        return self.norm(f"{name}.norm1", graph.node("Add", f"{name}.attention.residual", projected, hidden))

    def projections(self, name: str, hidden: str) -> list[str]:
        """Queries, keys and values, whose weights are one matrix in the checkpoint."""
        names = [f"{name}.{part}" for part in ("query", "key", "value")]
        weights = np.split(self.weights(f"{name}.Wqkv.weight"), 3)
        if not self.biases.projections:
            return [self.graph.product(part, hidden, weight) for part, weight in zip(names, weights, strict=True)]
        biases = np.split(self.weights(f"{name}.Wqkv.bias"), 3)
        return [self.graph.linear(part, hidden, *each) for part, *each in zip(names, weights, biases, strict=True)]

    def finish(self, name: str, fed: str, middle: str) -> str:
        """The end of a layer: what its feed-forward half gives, and what that read, normalised."""
        return self.norm(f"{name}.norm2", self.graph.node("Add", f"{name}.mlp.residual", fed, middle))

    def feed_forward(self, name: str, value: str) -> str:
        """``fc2(activation(fc1(x)))``."""
        wide = self.linear(f"{name}.fc1", value, has_bias=self.biases.wide)
        active = activate(self.graph, f"{name}.activation", self.activation, wide)
        return self.linear(f"{name}.fc2", active, has_bias=self.biases.narrow)

    def gated_feed_forward(self, name: str, value: str) -> str:
        """``fc2(fc11(x) * activation(fc12(x)))``."""
        opened, gate = (self.linear(f"{name}.{part}", value, has_bias=self.biases.wide) for part in ("fc11", "fc12"))
        product = gated(self.graph, f"{name}.gated", self.activation, gate=gate, value=opened)
        return self.linear(f"{name}.fc2", product, has_bias=self.biases.narrow)

    def linear(self, name: str, value: str, *, has_bias: bool) -> str:
        """A linear layer of the checkpoint."""
        return Linears(self.graph, self.weights).write(name, value, has_bias=has_bias)

    def norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        return self.graph.layer_norm(name, value, self.weights, self.epsilon)
