"""BERT, RoBERTa and XLM-RoBERTa.

The layers are those of "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018), post-layer-norm.
The graph has no attention mask: every text of a run has the same token count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS, activate
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

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
    for RoBERTa and XLM-RoBERTa, whose tables start with rows for padding.
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
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: BertConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed(INPUT)
        for index in range(self.config.num_hidden_layers):
            last = index == self.config.num_hidden_layers - 1
            hidden = self.layer(index, hidden, first_token_only=last and self.output.reads_first_token_only)
        return self.output.finish(self.graph, hidden, self.config.hidden_size)

    def embed(self, input_ids: str) -> str:
        """Word, position and segment embeddings; the last two, both constant, are one table."""
        graph, config = self.graph, self.config
        first = config.first_position
        positions = self.weights("embeddings.position_embeddings.weight")[first:]
        if len(positions) != config.positions:
            found = f"the weights have {len(positions)} positions, and config.json says {config.positions}"
            raise ExportError(f"{found}: take config.json and weights of one model, fetched again")
        positions = positions + self.weights("embeddings.token_type_embeddings.weight")[0]
        table = graph.weight("positions.table", positions)
        shape = graph.node("Shape", "input.length", input_ids, start=1, end=2)
        start, axis = graph.weight("zero", [0], np.int64), graph.weight("positions.axis", [0], np.int64)
        used = graph.node("Slice", "positions", table, start, shape, axis)
        words = graph.weight("words.table", self.weights("embeddings.word_embeddings.weight"))
        looked_up = graph.node("Gather", "words", words, input_ids)
        return self.layer_norm("embeddings.LayerNorm", graph.node("Add", "embeddings", looked_up, used))

    def layer(self, index: int, hidden: str, *, first_token_only: bool) -> str:
        """One transformer layer.

        With ``first_token_only`` queries, output and feed-forward run on the first token alone: nothing else of the
        last layer reaches a CLS-pooled vector. The result is then ``(n, 1, hidden_size)``.
        """
        graph, name = self.graph, f"encoder.layer.{index}"
        kept = graph.token(hidden, 0) if first_token_only else hidden
        attended = graph.attention(
            f"{name}.attention",
            self.linear(f"{name}.attention.self.query", kept),
            self.linear(f"{name}.attention.self.key", hidden),
            self.linear(f"{name}.attention.self.value", hidden),
            heads=self.config.num_attention_heads,
        )
        projected = self.linear(f"{name}.attention.output.dense", attended)
        added = graph.node("Add", f"{name}.attention.residual", projected, kept)
        middle = self.layer_norm(f"{name}.attention.output.LayerNorm", added)
        widened = activate(
            graph,
            f"{name}.activation",
            self.config.activation,
            self.linear(f"{name}.intermediate.dense", middle),
        )
        narrowed = self.linear(f"{name}.output.dense", widened)
        return self.layer_norm(
            f"{name}.output.LayerNorm", graph.node("Add", f"{name}.output.residual", narrowed, middle)
        )

    def linear(self, name: str, value: str) -> str:
        """A linear layer of the checkpoint."""
        return self.graph.linear(name, value, self.weights(f"{name}.weight"), self.weights(f"{name}.bias"))

    def layer_norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        return self.graph.layer_norm(name, value, self.weights, self.config.layer_norm_eps)


def build(config: BertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a BERT-family checkpoint."""
    return BertGraph(config, weights, output).build()


BERT = Architecture(("bert", "roberta", "xlm-roberta"), read_config, build, find_unwritten)
