"""The gte family (model types new and gte), snowflake-arctic-embed-m-v2.0 and stella_en_400M_v5.

The architecture is published as code beside the weights, which is never run, and no release of transformers has it. It
is BERT with positions as rotations and gated feed-forward layers ("mGTE", Zhang et al., 2024). Rotations may be scaled
for longer texts: "NTK-aware" scaling, a larger base and lower frequencies (https://kexue.fm/archives/9706).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS, gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.linear import Linears
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.layers.words import look_up_words
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

NORMS = ("layer_norm", "rms_norm")
"""The values of ``layer_norm_type``."""

_WRITTEN = {"position_embedding_type": "rope", "logn_attention_scale": False}
"""The choices of the published checkpoints that the graph computes."""


@dataclass(frozen=True)
class NewConfig:
    """The shape of a checkpoint, in the names of its ``config.json``.

    Attributes:
        has_segments: There are segment embeddings, which are added to words.
        is_packed: Queries, keys and values are one matrix in the checkpoint.
        is_rms: Norms are of RMS, and have no bias.
        theta: Base of the rotations' wavelengths.
        scaling: Factor by which the rotations are scaled; 1: they are not.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    activation: Activation
    has_segments: bool
    is_packed: bool
    is_rms: bool
    theta: float
    scaling: float
    positions: int


def read_config(checkpoint: CheckpointDescription) -> NewConfig:
    """Read the shape of a checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    rotations = _rotations(config)
    try:
        return NewConfig(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            layer_norm_eps=config["layer_norm_eps"],
            activation=ACTIVATIONS[config["hidden_act"]],
            has_segments=config["type_vocab_size"] > 0,
            is_packed=config.get("pack_qkv", True),
            is_rms=config.get("layer_norm_type", NORMS[0]) == NORMS[1],
            theta=rotations["rope_theta"],
            scaling=rotations["factor"] if _is_scaled(rotations) else 1.0,
            positions=config["max_position_embeddings"],
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _rotations(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is said about rotations, in the published keys or in transformers 5's."""
    stated = {"rope_theta": config["rope_theta"]} if "rope_theta" in config else {}
    return {**stated, **(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}


def _scaling_type(rotations: Mapping[str, Any]) -> str:
    return str(rotations.get("rope_type") or rotations.get("type") or "default")


def _is_scaled(rotations: Mapping[str, Any]) -> bool:
    return _scaling_type(rotations) != "default"


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find positions, a norm, an activation or scaled rotations that the graph does not compute.

    ``unpad_inputs`` and ``use_memory_efficient_attention`` choose a way to the same numbers, and ``auto_map`` names the
    code that this graph is written in place of.
    """
    written: dict[str, tuple[object, ...]] = {name: (value,) for name, value in _WRITTEN.items()}
    written |= {"layer_norm_type": NORMS, "hidden_act": tuple(ACTIVATIONS)}
    for name, values in written.items():
        if config.get(name, values[0]) not in values:
            return Unwritten(f"{config.get('model_type')} with {name} {config[name]!r}", optimum=False)
    rotations = _rotations(config)
    if _scaling_type(rotations) not in {"default", "ntk"} or rotations.get("mixed_b") is not None:
        return Unwritten(f"{config.get('model_type')} with rotations scaled by {rotations!r}", optimum=False)
    if _is_scaled(rotations) and not rotations.get("factor", 1) >= 1:
        return Unwritten(f"{config.get('model_type')} with rotations scaled by {rotations['factor']!r}", optimum=False)
    return None


def scaled_frequencies(theta: float, size: int, scaling: float) -> npt.NDArray[np.float64]:
    """The angles of :func:`frequencies` for texts ``scaling`` times as long as those that were trained on."""
    return np.asarray(frequencies(theta * scaling, size) / scaling ** (2 / size))


class NewGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: NewConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        self.linears = Linears(self.graph, weights)
        size = config.hidden_size // config.num_attention_heads
        angles = scaled_frequencies(config.theta, size, config.scaling)
        self.rotations = Rotations("rotation", angles, config.positions)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed()
        for index in range(self.config.num_hidden_layers):
            last = index == self.config.num_hidden_layers - 1
            name, first_only = f"encoder.layer.{index}", last and self.output.reads_first_token_only
            hidden = self.feed_forward(name, self.attend(name, hidden, first_token_only=first_only))
        return self.output.finish(self.graph, hidden, self.config.hidden_size)

    def embed(self) -> str:
        """Words and segments, normalised."""
        has_segments, reads_segments = self.config.has_segments, self.output.reads_segments
        words = look_up_words(self.graph, self.weights, has_segments=has_segments, reads_segments=reads_segments)
        return self.norm("embeddings.LayerNorm", words)

    def attend(self, name: str, hidden: str, *, first_token_only: bool) -> str:
        """The first half of a layer, normalised; with ``first_token_only`` for the first token alone.

        The first token's position is 0 with and without the others, so its rotation is the same.
        """
        graph, heads, stored = self.graph, self.config.num_attention_heads, f"{name}.attention"
        kept = graph.token(hidden, 0) if first_token_only else hidden
        query, key, value = self.projections(stored, {"q_proj": kept, "k_proj": hidden, "v_proj": hidden})
        query, key = (self.rotations.write(graph, each, heads=heads) for each in (query, key))
        attended = Attention(heads).write(graph, f"{name}.attended", query, key, value)
        projected = self.linears.write(f"{stored}.o_proj", attended, has_bias=True)
        return self.norm(f"{name}.attn_ln", graph.node("Add", f"{name}.attention.residual", projected, kept))

    def projections(self, name: str, values: dict[str, str]) -> list[str]:
        """Queries, keys and values."""
        if self.config.is_packed:
            return self.linears.split(f"{name}.qkv_proj", values, has_bias=True)
        return [self.linears.write(f"{name}.{part}", value, has_bias=True) for part, value in values.items()]

    def feed_forward(self, name: str, middle: str) -> str:
        """The second half of a layer, normalised: ``down_proj(up * activation(gate))``."""
        halves = {"up": middle, "gate": middle}
        up, gate = self.linears.split(f"{name}.mlp.up_gate_proj", halves, has_bias=False)
        product = gated(self.graph, f"{name}.gated", self.config.activation, gate=gate, value=up)
        narrowed = self.linears.write(f"{name}.mlp.down_proj", product, has_bias=True)
        return self.norm(f"{name}.mlp_ln", self.graph.node("Add", f"{name}.mlp.residual", narrowed, middle))

    def norm(self, name: str, value: str) -> str:
        """A normalisation of the checkpoint."""
        if self.config.is_rms:
            return self.graph.rms_norm(name, value, self.weights(f"{name}.weight"), self.config.layer_norm_eps)
        return self.graph.layer_norm(name, value, self.weights, self.config.layer_norm_eps)


def build(config: NewConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a checkpoint."""
    return NewGraph(config, weights, output).build()


NEW = Architecture(("new", "gte"), read_config, build, find_unwritten, prefixes=("", "new.", "gte.", "model."))
