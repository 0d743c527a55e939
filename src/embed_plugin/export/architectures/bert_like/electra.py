"""ELECTRA's discriminator: BERT, whose embeddings may be narrower than its layers.

"ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators" (Clark et al., 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class ElectraConfig:
    """The shape of an ELECTRA encoder; ``is_projected``: its embeddings have another width than its layers."""

    layers: PostNormConfig
    is_projected: bool

    @property
    def positions(self) -> int:
        """The most tokens of a text."""
        return self.layers.positions


def read_config(checkpoint: CheckpointDescription) -> ElectraConfig:
    """Read the shape of an ELECTRA checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    layers = read_post_norm_config(checkpoint)
    width = checkpoint.config.object().get("embedding_size", 128)
    return ElectraConfig(layers, is_projected=width != layers.hidden_size)


def build(config: ElectraConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of an ELECTRA checkpoint."""
    graph, shape = GraphBuilder(), config.layers
    attention = Attention(shape.num_attention_heads)
    layers = PostNormLayers(graph, weights, LayerNames(), attention, shape.activation, shape.layer_norm_eps)
    hidden = embed(layers, 0, shape.positions, reads_segments=output.reads_segments)
    if config.is_projected:
        hidden = layers.linear("embeddings_project", hidden)
    for index in range(shape.num_hidden_layers):
        last = index == shape.num_hidden_layers - 1
        hidden = layers.layer(f"encoder.layer.{index}", hidden, first_token_only=last and output.reads_first_token_only)
    return output.finish(graph, hidden, shape.hidden_size)


ELECTRA = Architecture(("electra",), read_config, build, find_unwritten, prefixes=("", "electra."))
