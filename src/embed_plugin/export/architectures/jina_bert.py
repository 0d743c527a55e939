"""jina-embeddings-v2, and jina-reranker-v1-tiny and -turbo.

Günther et al., "Jina Embeddings 2: 8192-Token General-Purpose Text Embeddings for Long Documents", 2023: BERT with
ALiBi for positions and a gated feed-forward half. It is published as a ``bert`` with code of its own, which is never
run. The code model's differs: queries and keys are normalised before heads are split, and each half of a layer is
normalised once more, with a residual of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError, UnknownArchitectureError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import gated
from embed_plugin.export.layers.alibi import alibi
from embed_plugin.export.layers.attention import Attention, split_projection
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers
from embed_plugin.export.layers.words import look_up_words
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

_CODE = {
    "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel": False,
    "jinaai/jina-bert-implementation--modeling_bert.JinaBertForSequenceClassification": False,
    "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel": True,
    "modeling_bert.JinaBertModel": False,
    "modeling_bert.JinaBertForSequenceClassification": False,
}
"""Tells if queries and keys are normalised, by the class in ``auto_map``. The rerankers bring the code beside their
weights, so their class has no repository in front of it; weights of the other kind are refused as they are read."""

_GATES: dict[str, Activation] = {"geglu": "gelu", "reglu": "relu"}
"""The activation of the gate, by ``feed_forward_type``."""


@dataclass(frozen=True)
class JinaBertConfig:
    """The shape of a jina-embeddings-v2 encoder; ``has_normed_keys`` is that of the code model."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    layer_norm_eps: float
    gate: Activation
    has_normed_keys: bool
    positions: int


def read_config(checkpoint: CheckpointDescription) -> JinaBertConfig:
    """Read the shape of a checkpoint.

    Raises:
        UnknownArchitectureError: it has other positions, or no gate that is known.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    for name, known in (("position_embedding_type", ("alibi",)), ("feed_forward_type", tuple(_GATES))):
        if config.get(name) not in known:
            found = f"jina-bert with {name} {config.get(name)!r}, expected {' or '.join(known)}"
            raise UnknownArchitectureError(f"{found}: a variant that neither exporter knows")
    try:
        return JinaBertConfig(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            intermediate_size=config["intermediate_size"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-12),
            gate=_GATES[config["feed_forward_type"]],
            has_normed_keys=_CODE[_code(config)],
            positions=config["max_position_embeddings"],
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _code(config: Mapping[str, Any]) -> str:
    """The class in ``auto_map``; configurations of rerankers may name that with the head alone."""
    named = config.get("auto_map") or {}
    return str(named.get("AutoModel") or named.get("AutoModelForSequenceClassification"))


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find a bert that is not this model."""
    code = _code(config)
    return None if code in _CODE else Unwritten(f"architecture 'bert' as {code} has it", optimum=False)


class JinaBertLayers:
    """Adds the layers of one checkpoint to a graph."""

    def __init__(self, config: JinaBertConfig, weights: WeightSource) -> None:
        self.config = config
        self.weights = weights
        self.graph = GraphBuilder()
        heads = config.num_attention_heads
        self.attention = Attention(heads, bias=alibi(heads, config.positions))
        self.parts = PostNormLayers(
            self.graph, weights, LayerNames(), self.attention, config.gate, config.layer_norm_eps
        )

    def embed(self, *, reads_segments: bool) -> str:
        """Words and segments, normalised."""
        words = look_up_words(self.graph, self.weights, reads_segments=reads_segments)
        return self.parts.norm("embeddings.LayerNorm", words)

    def layer(self, name: str, hidden: str) -> str:
        """One transformer layer."""
        normed, middle = self.config.has_normed_keys, self.attend(f"{name}.attention", hidden)
        if normed:
            added = self.graph.node("Add", f"{name}.attention.second_residual", middle, hidden)
            middle = self.parts.norm(f"{name}.layer_norm_1", added)
        added = self.graph.node("Add", f"{name}.mlp.residual", self.feed_forward(f"{name}.mlp", middle), middle)
        return self.parts.norm(f"{name}.{'layer_norm_2' if normed else 'mlp.layernorm'}", added)

    def attend(self, name: str, hidden: str) -> str:
        """Attention, its projection and residual, normalised."""
        query, key, value = (self.parts.linear(f"{name}.self.{part}", hidden) for part in ("query", "key", "value"))
        if self.config.has_normed_keys:
            query = self.parts.norm(f"{name}.self.layer_norm_q", query)
            key = self.parts.norm(f"{name}.self.layer_norm_k", key)
        attended = self.attention.write(self.graph, name, query, key, value)
        projected = self.parts.linear(f"{name}.output.dense", attended)
        added = self.graph.node("Add", f"{name}.residual", projected, hidden)
        return self.parts.norm(f"{name}.output.LayerNorm", added)

    def feed_forward(self, name: str, hidden: str) -> str:
        """``narrow(activation(gate(x)) * value(x))``; gate and value are one matrix, in either order."""
        config = self.config
        stored, parts = (
            ("up_gated_layer", ("value", "gate"))
            if config.has_normed_keys
            else (
                "gated_layers",
                ("gate", "value"),
            )
        )
        weights = split_projection(self.weights(f"{name}.{stored}.weight"), (config.intermediate_size,) * 2)
        products = {
            part: self.graph.product(f"{name}.{part}", hidden, weight)
            for part, weight in zip(parts, weights, strict=True)
        }
        opened = gated(self.graph, f"{name}.gated", config.gate, **products)
        return self.parts.linear(f"{name}.{'down_layer' if config.has_normed_keys else 'wo'}", opened)


def build(config: JinaBertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a jina-embeddings-v2 checkpoint."""
    layers = JinaBertLayers(config, weights)
    hidden = layers.embed(reads_segments=output.reads_segments)
    for index in range(config.num_hidden_layers):
        hidden = layers.layer(f"encoder.layer.{index}", hidden)
    return output.finish(layers.graph, hidden, config.hidden_size)


JINA_BERT = Architecture(("bert",), read_config, build, find_unwritten)
