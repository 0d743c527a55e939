"""ALBERT: BERT whose layers share their weights, with narrow embeddings.

"ALBERT: A Lite BERT for Self-supervised Learning of Language Representations" (Lan et al., 2020). The graph has every
layer, and the weights once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embed_plugin.export.architectures.architecture import Architecture
from embed_plugin.export.architectures.bert_like.bert import find_unwritten
from embed_plugin.export.architectures.bert_like.config import PostNormConfig, read_post_norm_config
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers, embed
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

NAMES = LayerNames(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    attended="attention.dense",
    middle_norm="attention.LayerNorm",
    wide="ffn",
    narrow="ffn_output",
    norm="full_layer_layer_norm",
)


@dataclass(frozen=True)
class AlbertConfig:
    """The shape of an ALBERT encoder; ``groups`` of ``inner`` layers each have weights of their own."""

    layers: PostNormConfig
    groups: int
    inner: int

    @property
    def positions(self) -> int:
        """The most tokens of a text."""
        return self.layers.positions


def read_config(checkpoint: CheckpointDescription) -> AlbertConfig:
    """Read the shape of an ALBERT checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    layers = read_post_norm_config(checkpoint)
    if "hidden_act" not in config:
        layers = replace(layers, activation="gelu_tanh")  # ALBERT's default
    return AlbertConfig(layers, config.get("num_hidden_groups", 1), config.get("inner_group_num", 1))


def build(config: AlbertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of an ALBERT checkpoint."""
    graph, shape = GraphBuilder(), config.layers
    attention = Attention(shape.num_attention_heads)
    layers = PostNormLayers(graph, weights, NAMES, attention, shape.activation, shape.layer_norm_eps)
    hidden = layers.linear("encoder.embedding_hidden_mapping_in", embed(layers, 0, shape.positions))
    for index in range(shape.num_hidden_layers):
        group = index * config.groups // shape.num_hidden_layers
        for inner in range(config.inner):
            stored = f"encoder.albert_layer_groups.{group}.albert_layers.{inner}"
            last = index == shape.num_hidden_layers - 1 and inner == config.inner - 1
            hidden = layers.layer(
                stored,
                hidden,
                name=f"encoder.layer.{index}.{inner}",
                first_token_only=last and output.reads_first_token_only,
            )
    return output.finish(graph, hidden, shape.hidden_size)


ALBERT = Architecture(("albert",), read_config, build, find_unwritten, prefixes=("", "albert."))
