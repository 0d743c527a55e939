"""DeBERTa, version 2 and 3 (``model_type`` deberta-v2): BERT with disentangled attention.

"DeBERTaV3: Improving DeBERTa using ELECTRA-Style Pre-Training with Gradient-Disentangled Embedding Sharing" (He et al.,
2023). Positions are distances alone, or also absolute ones, which are then added to the words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.architectures.bert_like import bert
from embed_plugin.export.architectures.bert_like.config import PostNormConfig, read_post_norm_config
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.disentangled import DisentangledAttention, rows_by_distance
from embed_plugin.export.layers.post_norm import LayerNames, PostNormLayers, position_rows, words_at_positions
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

BY_QUERY, BY_KEY = "c2p", "p2c"
"""The terms of distance: content to position, which the query is multiplied with, and position to content."""

NAMES = LayerNames(query="attention.self.query_proj", key="attention.self.key_proj", value="attention.self.value_proj")
EPSILON = 1e-7
NORMED = "layer_norm"


@dataclass(frozen=True)
class DebertaConfig:
    """The shape of a DeBERTa encoder.

    Attributes:
        layers: What it shares with BERT.
        terms: The terms of distance, in the scale of the scores even where there are no distances.
        is_relative: Scores have these terms.
        is_shared: Vectors of distances are projected as queries and keys are; else by matrices of their own.
        is_normed: Vectors of distances are normalised before.
        has_positions: Words have absolute positions too.
        has_segments: There are segments; all tokens are of the first one.
        is_projected: Embeddings have another width than layers.
        span: Rows for the distances on one side.
        buckets: Buckets on one side; 0: each distance has a row.
        furthest: Distances that are told apart, on one side.
    """

    layers: PostNormConfig
    terms: frozenset[str]
    is_relative: bool
    is_shared: bool
    is_normed: bool
    has_positions: bool
    has_segments: bool
    is_projected: bool
    span: int
    buckets: int
    furthest: int

    @property
    def positions(self) -> int:
        """The most tokens of a text."""
        return self.layers.positions

    @property
    def scale(self) -> float:
        """Factor of the scores: each term counts as one more that is added."""
        channels = self.layers.hidden_size // self.layers.num_attention_heads
        return float((channels * (1 + len(self.terms))) ** -0.5)


def read_config(checkpoint: CheckpointDescription) -> DebertaConfig:
    """Read the shape of a DeBERTa checkpoint.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    layers = read_post_norm_config(checkpoint)
    layers = replace(layers, layer_norm_eps=config.get("layer_norm_eps", EPSILON))
    buckets = max(config.get("position_buckets", -1), 0)
    furthest = config.get("max_relative_positions", -1)
    furthest = layers.positions if furthest < 1 else furthest
    return DebertaConfig(
        layers=layers,
        terms=frozenset(_terms(config)),
        is_relative=config.get("relative_attention", False),
        is_shared=config.get("share_att_key", False),
        is_normed=NORMED in _norms(config),
        has_positions=config.get("position_biased_input", True),
        has_segments=config.get("type_vocab_size", 0) > 0,
        is_projected=config.get("embedding_size", layers.hidden_size) != layers.hidden_size,
        span=buckets or furthest,
        buckets=buckets,
        furthest=furthest,
    )


def _terms(config: Mapping[str, Any]) -> list[str]:
    """The terms of distance, a list or one word with bars."""
    stated = config.get("pos_att_type") or []
    return [term.strip() for term in stated.lower().split("|")] if isinstance(stated, str) else list(stated)


def _norms(config: Mapping[str, Any]) -> list[str]:
    return [each.strip() for each in str(config.get("norm_rel_ebd", "none")).lower().split("|")]


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find what the graph does not compute: a convolution, other terms or norms of distances, or wider heads."""
    if found := bert.find_unwritten(config):
        return found
    terms, norms, kernel = _terms(config), _norms(config), config.get("conv_kernel_size", 0)
    size, heads = config.get("attention_head_size"), config.get("num_attention_heads", 0)
    if kernel > 0:
        return Unwritten(f"conv_kernel_size {kernel} (a convolution beside the first layer)", optimum=True)
    if set(terms) - {BY_QUERY, BY_KEY} or (config.get("relative_attention") and not terms):
        return Unwritten(f"pos_att_type {config.get('pos_att_type')!r}", optimum=True)
    if set(norms) - {NORMED, "none"}:
        return Unwritten(f"norm_rel_ebd {config.get('norm_rel_ebd')!r}", optimum=True)
    if size is not None and size * heads != config.get("hidden_size"):
        return Unwritten(f"attention_head_size {size} of {heads} heads", optimum=False)
    return None


class DebertaGraph:
    """Adds the layers of one checkpoint to a graph."""

    def __init__(self, config: DebertaConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        shape = config.layers
        plain = Attention(shape.num_attention_heads, scale=config.scale)
        self.layers = PostNormLayers(self.graph, weights, NAMES, plain, shape.activation, shape.layer_norm_eps)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        shape, layers = self.config.layers, self.layers
        hidden = layers.norm("embeddings.LayerNorm", self.embeddings())
        distances = self.distances() if self.config.is_relative else None
        for index in range(shape.num_hidden_layers):
            name = f"encoder.layer.{index}"
            if distances is not None:
                layers = replace(layers, attention=self.attention(f"{name}.attention.self", distances))
            hidden = layers.layer(name, hidden)
        return self.output.finish(self.graph, hidden, shape.hidden_size)

    def embeddings(self) -> str:
        """Words with what is added to them, as wide as the layers."""
        segment = self.weights("embeddings.token_type_embeddings.weight")[0] if self.config.has_segments else None
        words = self.weights("embeddings.word_embeddings.weight")
        if self.config.has_positions:
            table = position_rows(self.weights, 0, self.config.positions)
            summed = words_at_positions(self.graph, words, table if segment is None else table + segment)
        else:
            if segment is not None:
                words += segment  # in place: a large table is there once
            summed = self.graph.node("Gather", "words", self.graph.weight("words.table", words), INPUT)
        if not self.config.is_projected:
            return summed
        return self.graph.product("embed_proj", summed, self.weights("embeddings.embed_proj.weight"))

    def distances(self) -> npt.NDArray[np.float64]:
        """The learned vectors of the distances, ``(2 * span, hidden_size)``, which all layers share."""
        vectors = self.weights("encoder.rel_embeddings.weight").astype(np.float64)
        if len(vectors) != 2 * self.config.span:
            found = f"the weights have {len(vectors)} distances, and config.json says {2 * self.config.span}"
            raise ExportError(f"{found}: take config.json and weights of one model, fetched again")
        if not self.config.is_normed:
            return vectors
        scale, bias = (self.weights(f"encoder.LayerNorm.{part}") for part in ("weight", "bias"))
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + self.config.layers.layer_norm_eps)
        normed: npt.NDArray[np.float64] = centred / deviation * scale + bias
        return normed

    def attention(self, name: str, distances: npt.NDArray[np.float64]) -> DisentangledAttention:
        """The attention of a layer, with its tables."""
        config = self.config
        prefix = "" if config.is_shared else "pos_"
        tables = {
            term: self.projected(f"{name}.{prefix}{part}_proj", distances) if term in config.terms else None
            for term, part in ((BY_QUERY, "key"), (BY_KEY, "query"))
        }
        rows = rows_by_distance(config.positions, config.span, buckets=config.buckets, furthest=config.furthest)
        return DisentangledAttention(
            config.layers.num_attention_heads, config.scale, rows, tables[BY_QUERY], tables[BY_KEY]
        )

    def projected(self, name: str, vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """What a linear layer of the checkpoint makes of vectors that no text changes."""
        weight, bias = self.weights(f"{name}.weight"), self.weights(f"{name}.bias")
        return (vectors @ weight.T.astype(np.float64) + bias).astype(np.float32)


def build(config: DebertaConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a DeBERTa checkpoint."""
    return DebertaGraph(config, weights, output).build()


DEBERTA_V2 = Architecture(
    ("deberta-v2",),
    read_config,
    build,
    find_unwritten,
    prefixes=("", "deberta."),
    left_out=("embeddings.position_embeddings.", "lm_predictions.", "mask_predictions."),
)
"""Published weights have heads of training, and a table of positions that ``position_biased_input: false`` drops."""
