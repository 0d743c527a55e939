"""jina-embeddings-v3.

Sturua et al., "jina-embeddings-v3: Multilingual Embeddings With Task LoRA", 2024: XLM-RoBERTa with rotations of queries
and keys for positions. The adapters of its tasks are merged where its weights are read (:mod:`embed_plugin.export.
adapters`). On the hub it is an ``xlm-roberta`` with code of its own, which is never run; transformers 5 has a class for
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError, UnknownArchitectureError
from embed_plugin.export.adapters.stacked import JINA_V3_CODE
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.packed import Biases, PackedLayers, names_in_transformers
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.layers.words import look_up_words
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

MODEL_TYPE = "jina_embeddings_v3"


@dataclass(frozen=True)
class JinaV3Config:
    """The shape of a jina-embeddings-v3 encoder; ``theta`` is the base of its rotations' wavelengths."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    activation: Activation
    theta: float
    positions: int


def read_config(checkpoint: CheckpointDescription) -> JinaV3Config:
    """Read the shape of a checkpoint, as published or as transformers 5 writes it.

    Raises:
        UnknownArchitectureError: its positions are no plain rotations, or its activation is not known.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    rotation = config.get("rope_parameters") or {}
    _refuse(rotation, "rope_type", ("default",))
    _refuse(config, "position_embedding_type", ("rotary",))
    _refuse(config, "hidden_act", tuple(ACTIVATIONS))
    try:
        return JinaV3Config(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            layer_norm_eps=config["layer_norm_eps"],
            activation=ACTIVATIONS[config["hidden_act"]],
            theta=rotation["rope_theta"] if rotation else config["rotary_emb_base"],
            positions=config["max_position_embeddings"],
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _refuse(given: Mapping[str, Any], name: str, known: tuple[str, ...]) -> None:
    """Refuse a value that the graph does not compute."""
    if given.get(name, known[0]) not in known:
        found = f"{MODEL_TYPE} with {name} {given[name]!r}, expected one of {', '.join(known)}"
        raise UnknownArchitectureError(f"{found}: a variant that neither exporter knows")


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find an xlm-roberta that is not this model, and code of the checkpoint's own."""
    code = (config.get("auto_map") or {}).get("AutoModel")
    if code != (None if config.get("model_type") == MODEL_TYPE else JINA_V3_CODE):
        return Unwritten(f"architecture {config.get('model_type')!r} as {code} has it", optimum=False)
    return None


def build(config: JinaV3Config, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a jina-embeddings-v3 checkpoint."""
    graph, heads = GraphBuilder(), config.num_attention_heads
    layers = PackedLayers(
        graph=graph,
        weights=weights,
        attention=Attention(heads),
        rotations=Rotations("rotation", frequencies(config.theta, config.hidden_size // heads), config.positions),
        biases=Biases(projections=True, wide=True, narrow=True),
        activation=config.activation,
        epsilon=config.layer_norm_eps,
        attention_name="mixer",
    )
    hidden = layers.norm("emb_ln", look_up_words(graph, weights))
    for name in (f"encoder.layers.{index}" for index in range(config.num_hidden_layers)):
        middle = layers.attend(name, hidden)
        hidden = layers.finish(name, layers.feed_forward(f"{name}.mlp", middle), middle)
    return output.finish(graph, hidden, config.hidden_size)


def _blocks(name: str) -> tuple[str, ...]:
    return names_in_transformers(name, "mixer")


JINA_V3 = Architecture((MODEL_TYPE, "xlm-roberta"), read_config, build, find_unwritten, blocks=_blocks)
