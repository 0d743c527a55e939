"""EuroBERT: Llama's layers (RMS norms before each half, rotations, gated feed-forward layers), seeing the whole text.

"EuroBERT: Scaling Multilingual Encoders for European Languages" (Boizard et al., 2025). Heads of keys and values may be
fewer than those of queries. The code that the first checkpoints bring for it is not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS, gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.linear import Linears
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output


@dataclass(frozen=True)
class EuroBertConfig:
    """The shape of a EuroBERT encoder, in the names of its ``config.json``; ``head_dim`` is channels of a head."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    attention_bias: bool
    mlp_bias: bool
    activation: Activation
    theta: float
    positions: int


def read_config(checkpoint: CheckpointDescription) -> EuroBertConfig:
    """Read the shape of a EuroBERT checkpoint, as published or as transformers 5 writes it.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    try:
        heads = config["num_attention_heads"]
        return EuroBertConfig(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=heads,
            num_key_value_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            rms_norm_eps=config["rms_norm_eps"],
            attention_bias=config.get("attention_bias", False),
            mlp_bias=config.get("mlp_bias", False),
            activation=ACTIVATIONS[config["hidden_act"]],
            theta=float({**config, **(config.get("rope_parameters") or {})}["rope_theta"]),
            positions=config["max_position_embeddings"],
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find an activation or scaled rotations that the graph does not compute."""
    activation = config.get("hidden_act", "silu")
    if activation not in ACTIVATIONS:
        return Unwritten(f"eurobert with hidden_act {activation!r}", optimum=False)
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if (scaling.get("rope_type") or scaling.get("type") or "default") != "default":
        return Unwritten(f"eurobert with rotations scaled by {scaling!r}", optimum=False)
    return None


class EuroBertGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: EuroBertConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        self.linears = Linears(self.graph, weights)
        self.rotations = Rotations("rotation", frequencies(config.theta, config.head_dim), config.positions)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        table = self.graph.weight("words.table", self.weights("embed_tokens.weight"))
        hidden = self.graph.node("Gather", "words", table, INPUT)
        for index in range(self.config.num_hidden_layers):
            hidden = self.feed_forward(f"layers.{index}", self.attend(f"layers.{index}", hidden))
        if self.output.reads_first_token_only:
            hidden = self.graph.token(hidden, 0)
        return self.output.finish(self.graph, self.norm("norm", hidden), self.config.hidden_size)

    def attend(self, name: str, hidden: str) -> str:
        """The first half of a layer."""
        config, stored = self.config, f"{name}.self_attn"
        normed = self.norm(f"{name}.input_layernorm", hidden)
        query, key, value = (
            self.linears.write(f"{stored}.{part}", normed, has_bias=config.attention_bias)
            for part in ("q_proj", "k_proj", "v_proj")
        )
        query = self.rotations.write(self.graph, query, heads=config.num_attention_heads)
        key = self.rotations.write(self.graph, key, heads=config.num_key_value_heads)
        attention = Attention(config.num_attention_heads, config.num_key_value_heads)
        attended = attention.write(self.graph, f"{name}.attention", query, key, value)
        projected = self.linears.write(f"{stored}.o_proj", attended, has_bias=config.attention_bias)
        return self.graph.node("Add", f"{name}.attention.residual", projected, hidden)

    def feed_forward(self, name: str, hidden: str) -> str:
        """The second half of a layer: ``down_proj(activation(gate_proj x) * up_proj x)``."""
        graph, has_bias = self.graph, self.config.mlp_bias
        normed = self.norm(f"{name}.post_attention_layernorm", hidden)
        gate, up = (
            self.linears.write(f"{name}.mlp.{part}", normed, has_bias=has_bias) for part in ("gate_proj", "up_proj")
        )
        product = gated(graph, f"{name}.gated", self.config.activation, gate=gate, value=up)
        narrowed = self.linears.write(f"{name}.mlp.down_proj", product, has_bias=has_bias)
        return graph.node("Add", f"{name}.mlp.residual", narrowed, hidden)

    def norm(self, name: str, value: str) -> str:
        """A normalisation of the checkpoint."""
        return self.graph.rms_norm(name, value, self.weights(f"{name}.weight"), self.config.rms_norm_eps)


def build(config: EuroBertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a EuroBERT checkpoint."""
    return EuroBertGraph(config, weights, output).build()


EUROBERT = Architecture(
    ("eurobert",), read_config, build, find_unwritten, word_table="embed_tokens.weight", prefixes=("", "model.")
)
