"""Decoders as text encoders: Qwen3, Qwen2, Mistral and Llama.

Qwen3-Embedding, gte-Qwen2, jina-code-embeddings, e5-mistral, SFR-Embedding and many fine-tuned models have one of these
shapes. A token sees those before it, unless the configuration says ``"is_causal": false``, by which transformers 5
shows a token all others, as the code that comes with gte-Qwen2 does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS
from embed_plugin.export.layers.decoder import WORDS, Biases, DecoderConfig, DecoderGraph, LayerRule
from embed_plugin.export.layers.rotary import Rotations
from embed_plugin.export.layers.scaled_rotary import read_scaling, unknown_scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

SLIDING = "sliding_attention"
OPTIMUM_SCALES = {"dynamic", "yarn"}


def read_config(checkpoint: CheckpointDescription) -> DecoderConfig:
    """Read the shape of a decoder.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    try:
        return _read(config, checkpoint.model_type)
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _read(config: Mapping[str, Any], model_type: str) -> DecoderConfig:
    heads, positions = config["num_attention_heads"], config["max_position_embeddings"]
    size = config["head_dim"] if model_type == "qwen3" else config.get("head_dim") or config["hidden_size"] // heads
    rotations = Rotations("rotation", read_scaling(config).frequencies(size), positions)
    windows = _windows(config, model_type)
    return DecoderConfig(
        hidden_size=config["hidden_size"],
        head_size=size,
        heads=heads,
        kv_heads=(config.get("num_key_value_heads") or heads)
        if model_type == "llama"
        else config["num_key_value_heads"],
        epsilon=config["rms_norm_eps"],
        activation=ACTIVATIONS[config["hidden_act"]],
        layers=tuple(LayerRule(rotations, window) for window in windows),
        positions=positions,
        causal=config.get("is_causal") is not False,
        biases=_biases(config, model_type),
        has_head_norms=model_type == "qwen3",
    )


def _biases(config: Mapping[str, Any], model_type: str) -> Biases:
    """The linear layers that have biases: Qwen2's queries, keys and values, and what other configurations name."""
    if model_type in {"qwen2", "mistral"}:
        return Biases(query_key_value=model_type == "qwen2")
    attention = bool(config.get("attention_bias"))
    fed = model_type == "llama" and bool(config.get("mlp_bias"))
    return Biases(query_key_value=attention, output=attention, feed_forward=fed)


def _windows(config: Mapping[str, Any], model_type: str) -> list[int | None]:
    """The furthest token that each layer sees.

    ``sliding_window`` counts the token itself. Mistral has it in all layers, Qwen where ``use_sliding_window`` asks
    for it: in the layers that ``layer_types`` names, else from ``max_window_layers`` on.
    """
    layers = range(config["num_hidden_layers"])
    if model_type == "mistral":
        slides, window = [True for _ in layers], config["sliding_window"]
    elif model_type == "llama" or not config.get("use_sliding_window"):
        slides, window = [False for _ in layers], None
    else:
        slides, window = _sliding_layers(config), config["sliding_window"]
    is_seen = window is None or window >= config["max_position_embeddings"]
    return [None if is_seen or not slid else window - 1 for slid in slides]


def _sliding_layers(config: Mapping[str, Any]) -> list[bool]:
    types = config.get("layer_types")
    if types is not None:
        return [name == SLIDING for name in types]
    first = config["max_window_layers"]
    return [index >= first for index in range(config["num_hidden_layers"])]


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find code of the checkpoint's own, rotations, layers or an activation that the graph does not compute."""
    own_code = unknown_code(config)
    if own_code is not None:
        return own_code
    if config.get("use_bidirectional_attention"):
        return Unwritten(f"a {config.get('model_type')} with use_bidirectional_attention", optimum=False)
    scaling = read_scaling(config)
    if unknown := unknown_scaling(scaling):
        return Unwritten(unknown, optimum=scaling.kind in OPTIMUM_SCALES)
    activation = config.get("hidden_act", "silu")
    if activation not in ACTIVATIONS:
        return Unwritten(f"activation {activation!r}", optimum=True)
    return unknown_layers(config) or _unknown_windows(config)


def unknown_code(config: Mapping[str, Any]) -> Unwritten | None:
    """Find code of the checkpoint's own that may compute something else.

    gte-Qwen2's differs from Qwen2 in the mask alone, which its configuration states; not compared with the original.
    """
    auto_map = config.get("auto_map")
    if not (isinstance(auto_map, dict) and auto_map.get("AutoModel")):
        return None
    if config.get("model_type") == "qwen2" and config.get("is_causal") is False:
        return None
    return Unwritten(f"architecture {config.get('model_type')!r} as {auto_map['AutoModel']} has it", optimum=False)


def unknown_layers(config: Mapping[str, Any]) -> Unwritten | None:
    """Find types of layers that are not written, or another number of them than there are layers."""
    types = config.get("layer_types") or []
    unknown = sorted({str(name) for name in types} - {SLIDING, "full_attention"})
    if unknown:
        return Unwritten(f"layer type {unknown[0]!r}", optimum=False)
    if types and len(types) != config.get("num_hidden_layers"):
        found = f"layer_types of {len(types)} layers, where num_hidden_layers is {config.get('num_hidden_layers')},"
        return Unwritten(found, optimum=False)
    return None


def _unknown_windows(config: Mapping[str, Any]) -> Unwritten | None:
    """Find windows whose meaning is not known: beside a mask in both directions, or in layers that have none."""
    model_type, types = str(config.get("model_type")), config.get("layer_types") or []
    has_windows = model_type == "mistral" or bool(config.get("use_sliding_window"))
    if types and model_type in {"mistral", "llama"} and (SLIDING in types) != (_has_window(config) and has_windows):
        return Unwritten(f"a {model_type} with layer_types other than its sliding_window", optimum=False)
    if SLIDING in types and not has_windows:
        return Unwritten("layer type 'sliding_attention' without use_sliding_window", optimum=False)
    if has_windows and _has_window(config) and config.get("is_causal") is False:
        return Unwritten("a sliding_window with is_causal false", optimum=False)
    return None


def _has_window(config: Mapping[str, Any]) -> bool:
    window = config.get("sliding_window")
    return window is not None and window < config.get("max_position_embeddings", 0)


def build(config: DecoderConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a decoder."""
    return DecoderGraph(config, weights, output).build()


DECODER = Architecture(
    ("llama", "mistral", "qwen2", "qwen3"),
    read_config,
    build,
    find_unwritten,
    word_table=WORDS,
    prefixes=("", "model."),
)
