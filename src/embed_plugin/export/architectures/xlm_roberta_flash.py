"""jina-reranker-v2: XLM-RoBERTa with its projections of attention in one matrix, and other names.

It is published as an ``xlm-roberta`` with code of its own, which is never run. The layers are those of
jina-embeddings-v3, whose code it shares, but for positions: these are XLM-RoBERTa's table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import UnknownArchitectureError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.architectures.bert_like import bert
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.packed import Biases, PackedLayers
from embed_plugin.export.layers.post_norm import position_rows, words_at_positions
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.architectures.bert_like.config import PostNormConfig
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

_FILE = "modeling_xlm_roberta"
_CLASSES = ("XLMRobertaModel", "XLMRobertaForSequenceClassification")
CODE = frozenset(
    f"{repository}{_FILE}.{name}"
    for repository in ("", "jinaai/jina-reranker-v2-base-multilingual--")
    for name in _CLASSES
)
"""The classes in ``auto_map`` whose checkpoints have this layout: beside the weights, or by the repository's name."""

_GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh")
"""The activations that the code has."""


def read_config(checkpoint: CheckpointDescription) -> PostNormConfig:
    """Read the shape of a checkpoint.

    Raises:
        UnknownArchitectureError: it has other positions or another activation than the code knows.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    for name, known in (("position_embedding_type", ("absolute",)), ("hidden_act", _GELU)):
        if config.get(name, known[0]) not in known:
            found = f"jina-reranker-v2 with {name} {config[name]!r}, expected {' or '.join(known)}"
            raise UnknownArchitectureError(f"{found}: a variant that neither exporter knows")
    return bert.read_config(checkpoint)


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find an xlm-roberta that is not this model."""
    named = config.get("auto_map") or {}
    code = named.get("AutoModel") or named.get("AutoModelForSequenceClassification")
    return None if code in CODE else Unwritten(f"architecture 'xlm-roberta' as {code} has it", optimum=False)


def build(config: PostNormConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a jina-reranker-v2 checkpoint."""
    graph = GraphBuilder()
    layers = PackedLayers(
        graph=graph,
        weights=weights,
        attention=Attention(config.num_attention_heads),
        rotations=None,
        biases=Biases(projections=True, wide=True, narrow=True),
        activation=config.activation,
        epsilon=config.layer_norm_eps,
        attention_name="mixer",
    )
    table = position_rows(weights, config.first_position, config.positions)
    table = table + weights("embeddings.token_type_embeddings.weight")[0]
    words = words_at_positions(graph, weights("embeddings.word_embeddings.weight"), table)
    hidden = layers.norm("emb_ln", words)
    for name in (f"encoder.layers.{index}" for index in range(config.num_hidden_layers)):
        middle = layers.attend(name, hidden)
        hidden = layers.finish(name, layers.feed_forward(f"{name}.mlp", middle), middle)
    return output.finish(graph, hidden, config.hidden_size)


XLM_ROBERTA_FLASH = Architecture(("xlm-roberta",), read_config, build, find_unwritten, prefixes=("", "roberta."))
