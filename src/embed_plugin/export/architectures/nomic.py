"""Write the ONNX graph of nomic-embed-text (v1, v1.5) straight from its weights.

The architecture is published as code beside the weights, which is never run, and the transformers that optimum needs
has none of its own. It is BERT with three differences (Nussbaum et al., "Nomic Embed", 2024): positions are rotations
of queries and keys (Su et al., "RoFormer", 2021), the feed-forward layer is gated by SiLU, and no linear layer has a
bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.outputs.vector import add_head

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.architectures.nomic_config import NomicConfig
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.vector import Head


class NomicGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: NomicConfig, weights: WeightSource, head: Head) -> None:
        self.config = config
        self.weights = weights
        self.head = head
        self.graph = GraphBuilder()

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed()
        rotations = self.rotations()
        for index in range(self.config.num_hidden_layers):
            hidden = self.layer(f"encoder.layers.{index}", hidden, rotations)
        add_head(self.graph, hidden, self.head)
        return self.graph.model(self.head.dimension(self.config.hidden_size))

    def embed(self) -> str:
        """Word and segment embeddings; the latter is one row, which is added to every word."""
        segment = self.weights("embeddings.token_type_embeddings.weight")[0]
        words = self.weights("embeddings.word_embeddings.weight") + segment
        return self.layer_norm(
            "emb_ln", self.graph.node("Gather", "words", self.graph.weight("words.table", words), INPUT)
        )

    def rotations(self) -> tuple[str, str, str]:
        """First position, cosines and sines: ``(positions, head_size / 2)``, the angle of every pair of features."""
        size = self.config.hidden_size // self.config.num_attention_heads
        wavelengths = self.config.theta ** (np.arange(0, size, 2) / size)
        angles = np.arange(self.config.positions)[:, None] / wavelengths
        graph = self.graph
        return (
            graph.weight("rotation.start", [0], np.int64),
            graph.weight("rotation.cosines", np.cos(angles)),
            graph.weight("rotation.sines", np.sin(angles)),
        )

    def layer(self, name: str, hidden: str, rotations: tuple[str, str, str]) -> str:
        """One transformer layer, normalised after each half."""
        graph = self.graph
        query, key, value = self.projections(f"{name}.attn", hidden)
        attended = graph.attention(
            f"{name}.attention",
            self.rotate(query, rotations),
            self.rotate(key, rotations),
            value,
            heads=self.config.num_attention_heads,
        )
        projected = self.linear(f"{name}.attn.out_proj", attended)
        middle = self.layer_norm(f"{name}.norm1", graph.node("Add", f"{name}.attention.residual", projected, hidden))
        gated = self.gate(f"{name}.mlp", middle)
        return self.layer_norm(f"{name}.norm2", graph.node("Add", f"{name}.mlp.residual", gated, middle))

    def projections(self, name: str, hidden: str) -> list[str]:
        """Queries, keys and values, whose weights are one matrix in the checkpoint."""
        parts = np.split(self.weights(f"{name}.Wqkv.weight"), 3)
        names = [f"{name}.{part}" for part in ("query", "key", "value")]
        return [self.graph.product(part, hidden, weight) for part, weight in zip(names, parts, strict=True)]

    def rotate(self, value: str, rotations: tuple[str, str, str]) -> str:
        """Turn queries or keys by their positions."""
        return self.graph.node(
            "RotaryEmbedding",
            f"{value}.rotated",
            value,
            *rotations,
            domain="com.microsoft",
            num_heads=self.config.num_attention_heads,
        )

    def gate(self, name: str, value: str) -> str:
        """The feed-forward layer: ``fc2(fc11(x) * silu(fc12(x)))``."""
        graph = self.graph
        opening = self.linear(f"{name}.fc12", value)
        silu = graph.node("Mul", f"{name}.silu", opening, graph.node("Sigmoid", f"{name}.sigmoid", opening))
        return self.linear(f"{name}.fc2", graph.node("Mul", f"{name}.gated", self.linear(f"{name}.fc11", value), silu))

    def linear(self, name: str, value: str) -> str:
        """A linear layer of the checkpoint; none has a bias."""
        return self.graph.product(name, value, self.weights(f"{name}.weight"))

    def layer_norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        return self.graph.layer_norm(name, value, self.weights, self.config.layer_norm_eps)
