"""The encoder of T5, as sentence-t5 and gtr-t5 have it.

"Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (Raffel et al., 2020) and its
version 1.1, whose feed-forward layers are gated. Norms come first, of the root mean square; scores are not scaled; each
head adds a learned number by distance, which all layers share. No linear layer has a bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS, activate, gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.relative import bias_by_distance
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

POSITIONS = 512
"""Tokens that T5 was trained with; a checkpoint's ``n_positions`` goes before it."""

GATED = "gated-"
BIAS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


@dataclass(frozen=True)
class T5Config:
    """The shape of a T5 encoder, in the names of its ``config.json``; ``furthest`` is the last bucket's distance."""

    d_model: int
    num_layers: int
    num_heads: int
    layer_norm_epsilon: float
    activation: Activation
    is_gated: bool
    furthest: int
    positions: int


def read_config(checkpoint: CheckpointDescription) -> T5Config:
    """Read the shape of a T5 checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    fed = _feed_forward(config)
    try:
        return T5Config(
            d_model=config["d_model"],
            num_layers=config["num_layers"],
            num_heads=config["num_heads"],
            layer_norm_epsilon=config.get("layer_norm_epsilon", 1e-6),
            activation=_activation(fed),
            is_gated=fed.startswith(GATED),
            furthest=config.get("relative_attention_max_distance", 128),
            positions=config.get("n_positions") or POSITIONS,
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _feed_forward(config: Mapping[str, Any]) -> str:
    return str(config.get("feed_forward_proj", "relu"))


def _activation(feed_forward: str) -> Activation:
    """The activation; the gated GELU of T5 is the tanh form, whatever its name says."""
    return "gelu_tanh" if feed_forward == "gated-gelu" else ACTIVATIONS[feed_forward.removeprefix(GATED)]


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find a feed-forward layer that the graph does not compute."""
    fed = _feed_forward(config)
    return None if fed.removeprefix(GATED) in ACTIVATIONS else Unwritten(f"feed_forward_proj {fed!r}", optimum=True)


class T5Graph:
    """Adds the layers of one checkpoint to a graph."""

    def __init__(self, config: T5Config, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        bias = bias_by_distance(weights(BIAS), config.positions, furthest=config.furthest)
        self.attention = Attention(config.num_heads, scale=1.0, bias=bias)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        words = self.graph.weight("words.table", self.weights("shared.weight"))
        hidden = self.graph.node("Gather", "words", words, INPUT)
        for index in range(self.config.num_layers):
            hidden = self.attend(f"encoder.block.{index}.layer.0", hidden)
            hidden = self.feed_forward(f"encoder.block.{index}.layer.1", hidden)
        return self.output.finish(self.graph, self.norm("encoder.final_layer_norm", hidden), self.config.d_model)

    def attend(self, name: str, hidden: str) -> str:
        """The first half of a layer."""
        normed, inner = self.norm(f"{name}.layer_norm", hidden), f"{name}.SelfAttention"
        query, key, value = (self.linear(f"{inner}.{part}", normed) for part in "qkv")
        attended = self.attention.write(self.graph, f"{name}.attention", query, key, value)
        return self.graph.node("Add", f"{name}.residual", self.linear(f"{inner}.o", attended), hidden)

    def feed_forward(self, name: str, hidden: str) -> str:
        """The second half of a layer."""
        normed, inner = self.norm(f"{name}.layer_norm", hidden), f"{name}.DenseReluDense"
        if self.config.is_gated:
            gate, value = self.linear(f"{inner}.wi_0", normed), self.linear(f"{inner}.wi_1", normed)
            wide = gated(self.graph, f"{name}.gated", self.config.activation, gate=gate, value=value)
        else:
            opened = self.linear(f"{inner}.wi", normed)
            wide = activate(self.graph, f"{name}.activation", self.config.activation, opened)
        return self.graph.node("Add", f"{name}.residual", self.linear(f"{inner}.wo", wide), hidden)

    def linear(self, name: str, value: str) -> str:
        """A linear layer of the checkpoint; none has a bias."""
        return self.graph.product(name, value, self.weights(f"{name}.weight"))

    def norm(self, name: str, value: str) -> str:
        """A norm of the checkpoint."""
        return self.graph.rms_norm(name, value, self.weights(f"{name}.weight"), self.config.layer_norm_epsilon)


def build(config: T5Config, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a T5 encoder."""
    return T5Graph(config, weights, output).build()


T5 = Architecture(
    ("t5",),
    read_config,
    build,
    find_unwritten,
    word_table="shared.weight",
    prefixes=("",),
    left_out=("decoder.", "encoder.embed_tokens."),  # the latter is shared.weight once more
)
