"""BERT, RoBERTa, CamemBERT and XLM-RoBERTa.

The layers are those of "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018), post-layer-norm.
The graph has no attention mask: every text of a run has the same token count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.embeddings import position_table, words_at_positions
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT-family encoder, in the names of its ``config.json``.

    ``first_position`` is the row of the position table that the first token uses: 0 for BERT, ``pad_token_id + 1``
    for the others, whose tables start with rows for padding.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    activation: Activation
    first_position: int
    positions: int


def read_config(checkpoint: CheckpointDescription) -> BertConfig:
    """Read the shape of a BERT-family checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    try:
        first = 0 if checkpoint.model_type == "bert" else int(config.get("pad_token_id", 1)) + 1
        return BertConfig(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-12),
            activation=ACTIVATIONS[config.get("hidden_act", "gelu")],
            first_position=first,
            positions=config["max_position_embeddings"] - first,
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find code of the checkpoint's own, or positions or an activation that the graph does not compute."""
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and auto_map.get("AutoModel"):
        return Unwritten(f"architecture {config.get('model_type')!r} as {auto_map['AutoModel']} has it", optimum=False)
    positions = str(config.get("position_embedding_type", "absolute"))
    if positions != "absolute":
        return Unwritten(f"position_embedding_type {positions!r}", optimum=positions.startswith("relative_key"))
    activation = config.get("hidden_act", "gelu")
    return None if activation in ACTIVATIONS else Unwritten(f"activation {activation!r}", optimum=True)


class BertGraph:
    """Adds the layers of one checkpoint to a graph."""

    def __init__(self, config: BertConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        attention = Attention(config.num_attention_heads)
        self.layers = PostNormLayers(
            self.graph, weights, LayerNames(), attention, config.activation, config.layer_norm_eps
        )

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed()
        for index in range(self.config.num_hidden_layers):
            last = index == self.config.num_hidden_layers - 1
            hidden = self.layers.layer(
                f"encoder.layer.{index}", hidden, first_token_only=last and self.output.reads_first_token_only
            )
        return self.output.finish(self.graph, hidden, self.config.hidden_size)

    def embed(self) -> str:
        """Word, position and segment embeddings; the last two, both constant, are one table."""
        positions = position_table(self.weights, self.config.first_position, self.config.positions)
        positions += self.weights("embeddings.token_type_embeddings.weight")[0]
        return self.layers.norm("embeddings.LayerNorm", words_at_positions(self.graph, self.weights, positions))


def build(config: BertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a BERT-family checkpoint."""
    return BertGraph(config, weights, output).build()


BERT = Architecture(("bert", "camembert", "roberta", "xlm-roberta"), read_config, build, find_unwritten)
