"""MPNet: BERT with a learned bias by distance, which all layers share, and without segments.

"MPNet: Masked and Permuted Pre-training for Language Understanding" (Song et al., 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.architectures.architecture import Architecture
from embed_plugin.export.architectures.bert_like.config import read_post_norm_config, unknown_activation
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers, embed
from embed_plugin.export.layers.relative import bias_by_distance
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.architectures.bert_like.config import PostNormConfig
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

FIRST_POSITION = 2
"""Row of the position table that the first token uses, whatever the id of the padding."""

NAMES = LayerNames(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attended="attention.attn.o",
    middle_norm="attention.LayerNorm",
)


def read_config(checkpoint: CheckpointDescription) -> PostNormConfig:
    """Read the shape of an MPNet checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    return read_post_norm_config(checkpoint, first_position=FIRST_POSITION)


def build(config: PostNormConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of an MPNet checkpoint."""
    graph = GraphBuilder()
    bias = bias_by_distance(weights("encoder.relative_attention_bias.weight"), config.positions)
    attention = Attention(config.num_attention_heads, bias=bias)
    layers = PostNormLayers(graph, weights, NAMES, attention, config.activation, config.layer_norm_eps)
    hidden = embed(layers, config.first_position, config.positions, has_segments=False)
    for index in range(config.num_hidden_layers):
        hidden = layers.layer(f"encoder.layer.{index}", hidden)
    return output.finish(graph, hidden, config.hidden_size)


MPNET = Architecture(("mpnet",), read_config, build, unknown_activation, prefixes=("", "mpnet."))
