"""BERT, RoBERTa, CamemBERT and XLM-RoBERTa.

The layers are those of "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018), post-layer-norm.
The graph has no attention mask: every text of a run has the same token count.
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


def read_config(checkpoint: CheckpointDescription) -> PostNormConfig:
    """Read the shape of a BERT-family checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    padding = checkpoint.config.object().get("pad_token_id", 1)
    return read_post_norm_config(checkpoint, first_position=0 if checkpoint.model_type == "bert" else int(padding) + 1)


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find code of the checkpoint's own, or positions or an activation that the graph does not compute."""
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and auto_map.get("AutoModel"):
        return Unwritten(f"architecture {config.get('model_type')!r} as {auto_map['AutoModel']} has it", optimum=False)
    positions = str(config.get("position_embedding_type", "absolute"))
    if positions != "absolute":
        return Unwritten(f"position_embedding_type {positions!r}", optimum=positions.startswith("relative_key"))
    return unknown_activation(config)


def build(config: PostNormConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a BERT-family checkpoint."""
    graph = GraphBuilder()
    attention = Attention(config.num_attention_heads)
    layers = PostNormLayers(graph, weights, LayerNames(), attention, config.activation, config.layer_norm_eps)
    hidden = embed(layers, config.first_position, config.positions, reads_segments=output.reads_segments)
    for index in range(config.num_hidden_layers):
        last = index == config.num_hidden_layers - 1
        hidden = layers.layer(f"encoder.layer.{index}", hidden, first_token_only=last and output.reads_first_token_only)
    return output.finish(graph, hidden, config.hidden_size)


BERT = Architecture(("bert", "camembert", "roberta", "xlm-roberta"), read_config, build, find_unwritten)
