"""EmbeddingGemma, and other Gemma 3 models of text.

"EmbeddingGemma: Powerful and Lightweight Text Representations" (Vera et al., 2025): a decoder whose tokens see each
other in both directions, most layers by a window and with rotations of their own. Norms stand before and behind each
half of a layer and store their scales less 1; word embeddings are scaled by the root of their size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.architectures.decoders.decoder import SLIDING, build, unknown_code, unknown_layers
from embed_plugin.export.layers.activation import ACTIVATIONS
from embed_plugin.export.layers.decoder import WORDS, Biases, DecoderConfig, LayerRule, Norms
from embed_plugin.export.layers.rotary import Rotations
from embed_plugin.export.layers.scaled_rotary import Scaling, read_scaling, unknown_scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.export.checkpoint.description import CheckpointDescription

FULL = "full_attention"
PATTERN = 6
"""Every sixth layer sees all tokens, where ``config.json`` names neither layers nor another pattern."""

NORMS = Norms(
    after_attention="post_attention_layernorm",
    before_feed_forward="pre_feedforward_layernorm",
    after_feed_forward="post_feedforward_layernorm",
)


def read_config(checkpoint: CheckpointDescription) -> DecoderConfig:
    """Read the shape of a Gemma 3 checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    try:
        return _read(config)
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _read(config: Mapping[str, Any]) -> DecoderConfig:
    attention = bool(config.get("attention_bias"))
    return DecoderConfig(
        hidden_size=config["hidden_size"],
        head_size=config["head_dim"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        epsilon=config["rms_norm_eps"],
        activation=ACTIVATIONS[config["hidden_activation"]],
        layers=_layers(config),
        positions=config["max_position_embeddings"],
        causal=not config.get("use_bidirectional_attention"),
        scale=config["query_pre_attn_scalar"] ** -0.5,
        biases=Biases(query_key_value=attention, output=attention),
        norms=NORMS,
        norm_offset=1.0,
        has_head_norms=True,
        word_scale=config["hidden_size"] ** 0.5,
    )


def _layers(config: Mapping[str, Any]) -> tuple[LayerRule, ...]:
    """The rule of each layer.

    A window counts the token itself and those before it; in both directions half of it is before, half behind.
    """
    window, size, positions = config["sliding_window"], config["head_dim"], config["max_position_embeddings"]
    away = window // 2 if config.get("use_bidirectional_attention") else window - 1
    full, near = (
        Rotations(f"rotation.{name}", scaling.frequencies(size), positions)
        for name, scaling in (("full", _scaling(config, FULL)), ("near", _scaling(config, SLIDING)))
    )
    rules = {FULL: LayerRule(full), SLIDING: LayerRule(near, away if away < positions - 1 else None)}
    return tuple(rules[name] for name in _layer_types(config))


def _layer_types(config: Mapping[str, Any]) -> list[str]:
    types = config.get("layer_types")
    if types is not None:
        return list(types)
    pattern = config.get("sliding_window_pattern", PATTERN)
    return [SLIDING if (index + 1) % pattern else FULL for index in range(config["num_hidden_layers"])]


def _scaling(config: Mapping[str, Any], layers: str) -> Scaling:
    return read_scaling(config, layers, theta="rope_theta" if layers == FULL else "rope_local_base_freq")


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find code of the checkpoint's own, scores, rotations, layers or an activation that the graph does not compute."""
    if own_code := unknown_code(config):
        return own_code
    if config.get("attn_logit_softcapping") is not None:
        return Unwritten(f"attn_logit_softcapping {config['attn_logit_softcapping']}", optimum=False)
    if config.get("is_causal") not in {None, not config.get("use_bidirectional_attention")}:
        return Unwritten("is_causal beside another use_bidirectional_attention", optimum=False)
    unknown = (unknown_scaling(_scaling(config, layers)) for layers in (FULL, SLIDING))
    if found := next(filter(None, unknown), None):
        return Unwritten(found, optimum=False)
    activation = config.get("hidden_activation", "gelu_pytorch_tanh")
    if activation not in ACTIVATIONS:
        return Unwritten(f"activation {activation!r}", optimum=True)
    return unknown_layers(config)


GEMMA3 = Architecture(
    ("gemma3_text",),
    read_config,
    build,
    find_unwritten,
    word_table=WORDS,
    prefixes=("", "model."),
)
