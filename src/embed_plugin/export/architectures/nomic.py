"""nomic-embed-text (v1, v1.5 and v2-moe) and other models of nomic-bert.

The architecture is published as code beside the weights, which is never run; transformers 5 has a class of its own for
v1 and v1.5. It is BERT with rotations of queries and keys for positions (Su et al., "RoFormer", 2021). In v1 and v1.5
(Nussbaum et al., "Nomic Embed", 2024) the feed-forward half is gated by SiLU, and no linear layer has a bias; in v2-moe
(Nussbaum and Duderstadt, "Training Sparse Mixture Of Experts Text Embedding Models", 2025) all have one, and every
other layer is a mixture of experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError, UnknownArchitectureError
from embed_plugin.export.architectures.architecture import Architecture
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.experts import Experts
from embed_plugin.export.layers.packed import Biases, PackedLayers, names_in_transformers
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.layers.words import look_up_words
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

MODEL_TYPE = "nomic_bert"

_AS_PUBLISHED: dict[str, object] = {
    "causal": False,
    "expert_choice_router": False,
    "ffn_div": 1,
    "hidden_act": "silu",
    "moe_normalize_expert_weights": False,
    "num_shared_experts": 0,
    "parallel_block": False,
    "prenorm": False,
    "rope_type": "default",
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True,
    "use_rms_norm": False,
}
"""The choices that all published checkpoints share, among those that their configuration has."""

_GATED = {"swiglu": True, "gelu": False}
"""Tells if the feed-forward half has a gate, by ``activation_function``."""

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
    """The shape of a nomic-bert encoder.

    Attributes:
        hidden_size: Channels of a token.
        num_hidden_layers: Layers.
        num_attention_heads: Heads of each.
        layer_norm_eps: Of every norm.
        theta: Base of the rotations' wavelengths.
        positions: The most tokens of a text.
        is_gated: The feed-forward half has a gate of SiLU; else it is GELU's.
        biases: The linear layers that have one.
        experts: Those of every ``expert_layers``-th layer, from the second on; None: there are none.
        expert_layers: See ``experts``.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    theta: float
    positions: int
    is_gated: bool
    biases: Biases
    experts: Experts | None
    expert_layers: int


def read_config(checkpoint: CheckpointDescription) -> NomicConfig:
    """Read the shape of a nomic-bert checkpoint, as published or as transformers 5 writes it.

    Raises:
        UnknownArchitectureError: it is a variant that was not published.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    config = config | (config.get("rope_parameters") or {})
    config |= {old: config[new] for new, old in _RENAMED.items() if new in config and old not in config}
    for name, expected in _AS_PUBLISHED.items():
        if (config.get(name, expected) or False) != (expected or False):  # published files have null for False
            raise _variant(name, config[name], expected)
    try:
        _refuse_other_shapes(config)
        return _config(config)
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _refuse_other_shapes(config: dict[str, Any]) -> None:
    """Refuse an activation, heads and experts that no published model has."""
    activation = config.get("activation_function", "swiglu")
    if activation not in _GATED:
        raise _variant("activation_function", activation, " or ".join(_GATED))
    size = config["n_embd"] // config["n_head"]
    if config.get("head_dim", size) != size:
        raise _variant("head_dim", config["head_dim"], size)
    if config.get("moe_every_n_layers") and _GATED[activation]:
        raise _variant("moe_every_n_layers and activation_function", activation, "gelu")


def _variant(name: str, found: object, expected: object) -> UnknownArchitectureError:
    message = f"{MODEL_TYPE} with {name} {found!r}, expected {expected!r}"
    return UnknownArchitectureError(f"{message}: a variant that neither exporter knows")


def _config(config: dict[str, Any]) -> NomicConfig:
    # Scaled rotations differ from plain ones in texts beyond the trained length alone.
    scaled = config.get("rotary_scaling_factor") is not None
    expert_layers = config.get("moe_every_n_layers") or 0
    biases = (bool(config.get(name)) for name in ("qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"))
    return NomicConfig(
        hidden_size=config["n_embd"],
        num_hidden_layers=config["n_layer"],
        num_attention_heads=config["n_head"],
        layer_norm_eps=config["layer_norm_epsilon"],
        theta=config["rotary_emb_base"],
        positions=config["max_trained_positions" if scaled else "n_positions"],
        is_gated=_GATED[config.get("activation_function", "swiglu")],
        biases=Biases(*biases),
        experts=Experts(config["num_experts"], config["moe_top_k"], "gelu") if expert_layers else None,
        expert_layers=expert_layers,
    )


def build(config: NomicConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a nomic-bert checkpoint."""
    graph, heads = GraphBuilder(), config.num_attention_heads
    layers = PackedLayers(
        graph=graph,
        weights=weights,
        attention=Attention(heads),
        rotations=Rotations("rotation", frequencies(config.theta, config.hidden_size // heads), config.positions),
        biases=config.biases,
        activation="silu" if config.is_gated else "gelu",
        epsilon=config.layer_norm_eps,
        attention_name="attn",
    )
    hidden = layers.norm("emb_ln", look_up_words(graph, weights))
    for index in range(config.num_hidden_layers):
        name = f"encoder.layers.{index}"
        middle = layers.attend(name, hidden)
        hidden = layers.finish(name, _feed_forward(config, layers, index, middle), middle)
    return output.finish(graph, hidden, config.hidden_size)


def _feed_forward(config: NomicConfig, layers: PackedLayers, index: int, value: str) -> str:
    """The feed-forward half of a layer: experts, gated or plain."""
    name = f"encoder.layers.{index}.mlp"
    if config.experts and index % config.expert_layers == 1:
        return config.experts.write(layers.graph, layers.weights, name, value)
    return layers.gated_feed_forward(name, value) if config.is_gated else layers.feed_forward(name, value)


def _blocks(name: str) -> tuple[str, ...]:
    for stored, other in (("fc11", "up_proj"), ("fc12", "gate_proj"), ("fc2", "down_proj")):
        name = name.replace(f"mlp.{stored}", f"mlp.{other}")
    return names_in_transformers(name, "attn")


NOMIC = Architecture((MODEL_TYPE,), read_config, build, blocks=_blocks)
