"""nomic-embed-text (v1, v1.5).

The architecture is published as code beside the weights, which is never run, and the transformers that optimum needs
has none of its own. It is BERT with three differences (Nussbaum et al., "Nomic Embed", 2024): positions are rotations
of queries and keys (Su et al., "RoFormer", 2021), the feed-forward layer is gated by SiLU, and no linear layer has a
bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.errors import SourceError, UnknownArchitectureError
from embed_plugin.export.architectures.architecture import Architecture
from embed_plugin.export.layers.activation import gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

MODEL_TYPE = "nomic_bert"

_AS_PUBLISHED: dict[str, object] = {
    "activation_function": "swiglu",
    "causal": False,
    "hidden_act": "silu",
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "moe_every_n_layers": 0,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rope_type": "default",
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "use_rms_norm": False,
}
"""The choices of the published checkpoints, among those that their configuration has."""

_RENAMED = {
    "hidden_size": "n_embd",
    "layer_norm_eps": "layer_norm_epsilon",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "rope_theta": "rotary_emb_base",
}
"""The names that transformers 5 writes, and those in the published checkpoints."""


@dataclass(frozen=True)
class NomicConfig:
    """The shape of a nomic-bert encoder; ``theta`` is the base of its rotations' wavelengths."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    theta: float
    positions: int


def read_config(checkpoint: CheckpointDescription) -> NomicConfig:
    """Read the shape of a nomic-bert checkpoint, as published or as transformers 5 writes it.

    Raises:
        UnknownArchitectureError: it is a variant that was not published as nomic-embed-text v1 or v1.5.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    config = config | (config.get("rope_parameters") or {})
    config |= {old: config[new] for new, old in _RENAMED.items() if new in config and old not in config}
    for name, expected in _AS_PUBLISHED.items():
        if config.get(name, expected) != expected:
            found = f"{MODEL_TYPE} with {name} {config[name]!r}, expected {expected!r}"
            raise UnknownArchitectureError(f"{found}: a variant that neither exporter knows")
    try:
        return _config(config)
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _config(config: dict[str, Any]) -> NomicConfig:
    # Scaled rotations differ from plain ones in texts beyond the trained length alone.
    scaled = config.get("rotary_scaling_factor") is not None
    return NomicConfig(
        hidden_size=config["n_embd"],
        num_hidden_layers=config["n_layer"],
        num_attention_heads=config["n_head"],
        layer_norm_eps=config["layer_norm_epsilon"],
        theta=config["rotary_emb_base"],
        positions=config["max_trained_positions" if scaled else "n_positions"],
    )


class NomicGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: NomicConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed()
        rotations = self.rotations()
        for index in range(self.config.num_hidden_layers):
            hidden = self.layer(f"encoder.layers.{index}", hidden, rotations)
        return self.output.finish(self.graph, hidden, self.config.hidden_size)

    def embed(self) -> str:
        """Word and segment embeddings; the latter is one row, which is added to every word."""
        segment = self.weights("embeddings.token_type_embeddings.weight")[0]
        words = self.weights("embeddings.word_embeddings.weight") + segment
        return self.layer_norm(
            "emb_ln", self.graph.node("Gather", "words", self.graph.weight("words.table", words), INPUT)
        )

    def rotations(self) -> Rotations:
        """The rotation of every position."""
        size = self.config.hidden_size // self.config.num_attention_heads
        return Rotations("rotation", frequencies(self.config.theta, size), self.config.positions)

    def layer(self, name: str, hidden: str, rotations: Rotations) -> str:
        """One transformer layer, normalised after each half."""
        graph = self.graph
        query, key, value = self.projections(f"{name}.attn", hidden)
        heads = self.config.num_attention_heads
        query, key = (rotations.write(graph, each, heads=heads) for each in (query, key))
        attended = Attention(heads).write(graph, f"{name}.attention", query, key, value)
        projected = self.linear(f"{name}.attn.out_proj", attended)
        middle = self.layer_norm(f"{name}.norm1", graph.node("Add", f"{name}.attention.residual", projected, hidden))
        fed = self.feed_forward(f"{name}.mlp", middle)
        return self.layer_norm(f"{name}.norm2", graph.node("Add", f"{name}.mlp.residual", fed, middle))

    def projections(self, name: str, hidden: str) -> list[str]:
        """Queries, keys and values, whose weights are one matrix in the checkpoint."""
        parts = np.split(self.weights(f"{name}.Wqkv.weight"), 3)
        names = [f"{name}.{part}" for part in ("query", "key", "value")]
        return [self.graph.product(part, hidden, weight) for part, weight in zip(names, parts, strict=True)]

    def feed_forward(self, name: str, value: str) -> str:
        """The feed-forward layer: ``fc2(fc11(x) * silu(fc12(x)))``."""
        opened, gate = self.linear(f"{name}.fc11", value), self.linear(f"{name}.fc12", value)
        return self.linear(f"{name}.fc2", gated(self.graph, f"{name}.gated", "silu", gate=gate, value=opened))

    def linear(self, name: str, value: str) -> str:
        """A linear layer of the checkpoint; none has a bias."""
        return self.graph.product(name, value, self.weights(f"{name}.weight"))

    def layer_norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        return self.graph.layer_norm(name, value, self.weights, self.config.layer_norm_eps)


def build(config: NomicConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a nomic-bert checkpoint."""
    return NomicGraph(config, weights, output).build()


NOMIC = Architecture((MODEL_TYPE,), read_config, build)
