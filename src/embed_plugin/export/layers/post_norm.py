"""The layers of BERT and of the encoders that differ from it in names and embeddings: normalised after each half.

"BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al., 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.layers.activation import activate
from embed_plugin.export.layers.words import add_segments, ids_of_words
from embed_plugin.export.onnx_graph.builder import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource


class AttentionRule(Protocol):
    """Writes the attention of a layer."""

    def write(self, graph: GraphBuilder, name: str, query: str, key: str, value: str) -> str:
        """Write attention of ``(n, length, channels)`` queries, keys and values."""


@dataclass(frozen=True)
class LayerNames:
    """Names of a layer's parts in the checkpoint, behind the layer's own name."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attended: str = "attention.output.dense"
    middle_norm: str = "attention.output.LayerNorm"
    wide: str = "intermediate.dense"
    narrow: str = "output.dense"
    norm: str = "output.LayerNorm"


@dataclass(frozen=True)
class PostNormLayers:
    """Writes the layers of one checkpoint.

    Attributes:
        graph: They are added to it.
        weights: The checkpoint's tensors.
        names: Its names.
        attention: The rule of attention.
        activation: Of the feed-forward half.
        epsilon: Of the norms.
    """

    graph: GraphBuilder
    weights: WeightSource
    names: LayerNames
    attention: AttentionRule
    activation: Activation
    epsilon: float

    def layer(self, stored: str, hidden: str, *, name: str = "", first_token_only: bool = False) -> str:
        """One transformer layer.

        With ``first_token_only`` queries, output and feed-forward run on the first token alone: nothing else of the
        last layer reaches a CLS-pooled vector. The result is then ``(n, 1, hidden_size)``.

        Args:
            stored: The layer's name in the checkpoint.
            hidden: The value that it reads.
            name: Its name in the graph, where that is another: layers that share weights are many in a graph.
            first_token_only: Only the first token is read behind it.
        """
        graph, names, name = self.graph, self.names, name or stored
        kept = graph.token(hidden, 0) if first_token_only else hidden
        query, key, value = (
            self.linear(f"{stored}.{part}", given, f"{name}.{part}")
            for part, given in ((names.query, kept), (names.key, hidden), (names.value, hidden))
        )
        attended = self.attention.write(graph, f"{name}.attention", query, key, value)
        projected = self.linear(f"{stored}.{names.attended}", attended, f"{name}.{names.attended}")
        added = graph.node("Add", f"{name}.attention.residual", projected, kept)
        middle = self.norm(f"{stored}.{names.middle_norm}", added, f"{name}.{names.middle_norm}")
        wide = self.linear(f"{stored}.{names.wide}", middle, f"{name}.{names.wide}")
        active = activate(graph, f"{name}.activation", self.activation, wide)
        narrowed = self.linear(f"{stored}.{names.narrow}", active, f"{name}.{names.narrow}")
        added = graph.node("Add", f"{name}.output.residual", narrowed, middle)
        return self.norm(f"{stored}.{names.norm}", added, f"{name}.{names.norm}")

    def linear(self, stored: str, value: str, name: str = "") -> str:
        """A linear layer of the checkpoint, with a bias."""
        weight, bias = self.weights(f"{stored}.weight"), self.weights(f"{stored}.bias")
        return self.graph.linear(name or stored, value, weight, bias, stored=stored)

    def norm(self, stored: str, value: str, name: str = "") -> str:
        """A layer normalisation of the checkpoint."""
        return self.graph.layer_norm(name or stored, value, self.weights, self.epsilon, stored=stored)


def embed(
    layers: PostNormLayers, first: int, positions: int, *, has_segments: bool = True, reads_segments: bool = False
) -> str:
    """Write the embeddings: words, positions and segments, normalised; the last two, both constant, are one table.

    Args:
        layers: Gives the graph, the weights and the norm.
        first: Row of the position table that the first token uses.
        positions: The most tokens of a text.
        has_segments: There are segment embeddings.
        reads_segments: Tokens of the second segment have ids that are larger by the number of words; else all tokens
            are of the first one.

    Raises:
        ExportError: the weights have another number of positions.
    """
    table = position_rows(layers.weights, first, positions)
    segments = layers.weights("embeddings.token_type_embeddings.weight") if has_segments else None
    if segments is not None:
        table = table + segments[0]
    words, ids = layers.weights("embeddings.word_embeddings.weight"), INPUT
    if reads_segments and segments is not None:
        ids = ids_of_words(layers.graph, len(words))
    embedded = words_at_positions(layers.graph, words, table, ids=ids)
    if reads_segments and segments is not None:
        embedded = add_segments(layers.graph, embedded, segments[1] - segments[0])
    return layers.norm("embeddings.LayerNorm", embedded)


def position_rows(weights: WeightSource, first: int, positions: int) -> npt.NDArray[np.float32]:
    """Read the position table from the row on that the first token uses.

    Raises:
        ExportError: the weights have another number of positions.
    """
    table = weights("embeddings.position_embeddings.weight")[first:]
    if len(table) != positions:
        found = f"the weights have {len(table)} positions, and config.json says {positions}"
        raise ExportError(f"{found}: take config.json and weights of one model, fetched again")
    return table


def words_at_positions(
    graph: GraphBuilder, words: npt.NDArray[np.float32], positions: npt.NDArray[np.float32], *, ids: str = INPUT
) -> str:
    """The sum of each token's word embedding and the row of its position: ``(n, length, channels)``."""
    table = graph.weight("positions.table", positions)
    length = graph.node("Shape", "input.length", INPUT, start=1, end=2)
    start, axis = graph.weight("zero", [0], np.int64), graph.weight("positions.axis", [0], np.int64)
    used = graph.node("Slice", "positions", table, start, length, axis)
    found = graph.node("Gather", "words", graph.weight("words.table", words), ids)
    return graph.node("Add", "embeddings", found, used)
