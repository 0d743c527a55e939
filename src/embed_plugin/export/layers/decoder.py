"""The layers of a decoder, as a text encoder: norms of the root mean square come first, positions are rotations.

The parts are those of "LLaMA" (Touvron et al., 2023) with queries that share keys (Ainslie et al., "GQA", 2023); what
families add is a choice each: biases, norms of heads, norms behind each half, windows, a scale of embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.layers.activation import gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.head_norm import head_norm
from embed_plugin.export.layers.linear import Linears
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx

    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.layers.rotary import Rotations
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

WORDS = "embed_tokens.weight"


@dataclass(frozen=True)
class LayerRule:
    """The way one layer sees positions.

    Attributes:
        rotations: Of its queries and keys.
        window: A token sees tokens at most so many positions away; None: any.
    """

    rotations: Rotations
    window: int | None = None


@dataclass(frozen=True)
class Norms:
    """The names of a layer's norms; one that is empty is not there."""

    before_attention: str = "input_layernorm"
    after_attention: str = ""
    before_feed_forward: str = "post_attention_layernorm"
    after_feed_forward: str = ""


@dataclass(frozen=True)
class Biases:
    """The linear layers that have biases."""

    query_key_value: bool = False
    output: bool = False
    feed_forward: bool = False


@dataclass(frozen=True)
class DecoderConfig:
    """The shape of a decoder.

    Attributes:
        hidden_size: Channels of a token.
        head_size: Channels of a head; heads together may have more or fewer than a token.
        heads: Heads of queries.
        kv_heads: Heads of keys and values.
        epsilon: Of all norms.
        activation: Of the gates.
        layers: One entry a layer.
        positions: The most tokens of a text.
        causal: A token sees itself and the tokens before it.
        scale: Factor of the scores; None: ``1 / sqrt(head_size)``.
        biases: The linear layers that have biases.
        norms: Of a layer.
        norm_offset: Added to the scales of all norms.
        has_head_norms: Queries and keys are normalised, head by head.
        word_scale: Factor of the word embeddings.
    """

    hidden_size: int
    head_size: int
    heads: int
    kv_heads: int
    epsilon: float
    activation: Activation
    layers: tuple[LayerRule, ...]
    positions: int
    causal: bool = True
    scale: float | None = None
    biases: Biases = Biases()
    norms: Norms = Norms()
    norm_offset: float = 0.0
    has_head_norms: bool = False
    word_scale: float = 1.0


class DecoderGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: DecoderConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        self.linears = Linears(self.graph, weights)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.graph.node("Gather", "words", self.graph.weight("words.table", self.words()), INPUT)
        for index, rule in enumerate(self.config.layers):
            hidden = self.attend(f"layers.{index}", hidden, rule)
            hidden = self.feed_forward(f"layers.{index}", hidden)
        return self.output.finish(self.graph, self.norm("norm", hidden), self.config.hidden_size)

    def words(self) -> npt.NDArray[np.float32]:
        """The word embeddings, scaled where the model scales them."""
        words = self.weights(WORDS)
        return words if self.config.word_scale == 1 else words * np.float32(self.config.word_scale)

    def attend(self, layer: str, hidden: str, rule: LayerRule) -> str:
        """The first half of a layer."""
        config, graph, name, norms = self.config, self.graph, f"{layer}.self_attn", self.config.norms
        normed = self.norm(f"{layer}.{norms.before_attention}", hidden)
        has_bias = config.biases.query_key_value
        query, key, value = (self.linears.write(f"{name}.{part}_proj", normed, has_bias=has_bias) for part in "qkv")
        query = self.place(f"{name}.q_norm", query, rule, heads=config.heads)
        key = self.place(f"{name}.k_norm", key, rule, heads=config.kv_heads)
        attention = Attention(
            config.heads, kv_heads=config.kv_heads, scale=config.scale, causal=config.causal, window=rule.window
        )
        attended = attention.write(graph, f"{layer}.attention", query, key, value)
        projected = self.linears.write(f"{name}.o_proj", attended, has_bias=config.biases.output)
        after = norms.after_attention and f"{layer}.{norms.after_attention}"
        return self.add(f"{layer}.attention.residual", projected, hidden, after)

    def place(self, norm: str, value: str, rule: LayerRule, *, heads: int) -> str:
        """Normalise the heads of queries or keys, where the model does, and turn them by position."""
        if self.config.has_head_norms:
            value = head_norm(self.graph, norm, value, self.scale_of(norm), self.config.epsilon, heads)
        return rule.rotations.write(self.graph, value, heads=heads)

    def feed_forward(self, layer: str, hidden: str) -> str:
        """The second half of a layer: ``down(activation(gate(x)) * up(x))``."""
        name, norms, has_bias = f"{layer}.mlp", self.config.norms, self.config.biases.feed_forward
        normed = self.norm(f"{layer}.{norms.before_feed_forward}", hidden)
        gate, value = (self.linears.write(f"{name}.{part}_proj", normed, has_bias=has_bias) for part in ("gate", "up"))
        wide = gated(self.graph, f"{name}.gated", self.config.activation, gate=gate, value=value)
        narrowed = self.linears.write(f"{name}.down_proj", wide, has_bias=has_bias)
        after = norms.after_feed_forward and f"{layer}.{norms.after_feed_forward}"
        return self.add(f"{name}.residual", narrowed, hidden, after)

    def add(self, name: str, value: str, hidden: str, norm: str) -> str:
        """Add half a layer's result, normalised where ``norm`` names a norm, to the layer's input."""
        return self.graph.node("Add", name, self.norm(norm, value) if norm else value, hidden)

    def norm(self, name: str, value: str) -> str:
        """A norm of the checkpoint."""
        return self.graph.rms_norm(name, value, self.scale_of(name), self.config.epsilon)

    def scale_of(self, norm: str) -> npt.NDArray[np.float32]:
        """The scale of a norm."""
        return self.weights(f"{norm}.weight") + np.float32(self.config.norm_offset)
