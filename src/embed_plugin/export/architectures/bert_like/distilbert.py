"""DistilBERT: BERT under other names, without segments.

"DistilBERT, a distilled version of BERT" (Sanh et al., 2019). Its positions may begin as sines; they are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.architectures.bert_like.config import read_post_norm_config, unknown_activation
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers, embed
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.architectures.bert_like.config import PostNormConfig
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

RENAMED = {
    "hidden_act": "activation",
    "hidden_size": "dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
}

NAMES = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attended="attention.out_lin",
    middle_norm="sa_layer_norm",
    wide="ffn.lin1",
    narrow="ffn.lin2",
    norm="output_layer_norm",
)


def read_config(checkpoint: CheckpointDescription) -> PostNormConfig:
    """Read the shape of a DistilBERT checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    return read_post_norm_config(checkpoint, renamed=RENAMED)


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find an activation that the graph does not compute."""
    return unknown_activation(config, "activation")


def build(config: PostNormConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a DistilBERT checkpoint."""
    graph = GraphBuilder()
    attention = Attention(config.num_attention_heads)
    layers = PostNormLayers(graph, weights, NAMES, attention, config.activation, config.layer_norm_eps)
    hidden = embed(layers, 0, config.positions, has_segments=False)
    for index in range(config.num_hidden_layers):
        last = index == config.num_hidden_layers - 1
        hidden = layers.layer(
            f"transformer.layer.{index}", hidden, first_token_only=last and output.reads_first_token_only
        )
    return output.finish(graph, hidden, config.hidden_size)


DISTILBERT = Architecture(("distilbert",), read_config, build, find_unwritten, prefixes=("", "distilbert."))
