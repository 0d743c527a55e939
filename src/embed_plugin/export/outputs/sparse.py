"""The weights of words of a text: the head of a masked language model scores every word for each token.

A word's weight is the largest ``log(1 + relu(score))`` of all tokens, or their sum: "SPLADE: Sparse Lexical and
Expansion Model for First Stage Ranking" (Formal et al., 2021), "SPLADE v2" (2021). Special tokens take part.

- The scores of all words at once would be 31 MB for a text of 256 tokens and 30,522 words, so words are scored
  :data:`WORDS_AT_ONCE` at a time and reduced to the text's before the next ones.
- The logarithm and the relu rise with the score, so the largest weight is that of the largest score: the largest is
  taken first, and the bias added to it, which rounds to the same number.
- The logarithm is taken in float64: onnxruntime's of float32 differs in the last bit by a value's place in the batch
  (10 values of 64 texts of 30,522 words; of float64, rounded, none). It is also that of ``log1p``, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from onnx import TensorProto

from embed_plugin.errors import ExportError
from embed_plugin.export.layers.activation import activate
from embed_plugin.export.outputs.vector import row_of_ones
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource
    from embed_plugin.types import Kind, Pooling

SparseActivation = Literal["relu", "log1p_relu"]
"""``log1p_relu`` takes the logarithm twice (Geng et al., 2025)."""

SparsePooling = Literal["max", "sum"]

WORDS_AT_ONCE = 4096
"""Words that are scored together: as wide as the widest layer of a large encoder, so the scores need no more memory."""

OUTPUT = KINDS["sparse"].output


@dataclass(frozen=True)
class MlmHead:
    """The head of a masked language model: a dense layer, an activation, a norm, and a score for each word.

    Attributes:
        weights: Reads a tensor by its whole name.
        dense: Name of the dense layer.
        norm: Name of the norm.
        has_dense_bias: The dense layer has a bias.
        has_norm_bias: The norm has a bias.
        epsilon: Of the norm.
        activation: Behind the dense layer.
        decoder: Name of the tensor ``(words, channels)`` that gives the scores.
        bias: Name of the words' bias; empty: there is none.
    """

    weights: WeightSource
    dense: str
    norm: str
    has_dense_bias: bool
    has_norm_bias: bool
    epsilon: float
    activation: Activation
    decoder: str
    bias: str

    def write(self, graph: GraphBuilder, token_vectors: str) -> str:
        """Add the layers before the scores: ``(n, length, channels)`` to the same shape."""
        weight = self.weights(f"{self.dense}.weight")
        if self.has_dense_bias:
            value = graph.linear(self.dense, token_vectors, weight, self.weights(f"{self.dense}.bias"))
        else:
            value = graph.product(self.dense, token_vectors, weight)
        active = activate(graph, f"{self.dense}.activation", self.activation, value)
        return graph.layer_norm(self.norm, active, self.weights, self.epsilon, has_bias=self.has_norm_bias)


@dataclass(frozen=True)
class SparseOutput:
    """The weights of all words of the vocabulary for a text.

    Attributes:
        head: The head of the masked language model.
        pooling: The way that the weights of tokens become one.
        activation: Of a score.
        max_active: Most words of a text that are kept; None: all.
        query_weights: float32 ``(words,)``, the weight of each word of a query, which then needs no graph; None:
            queries are encoded as documents.
        query_max_tokens: Token limit of such a query.
    """

    kind: ClassVar[Kind] = "sparse"
    reads_segments: ClassVar[bool] = False
    reads_first_token_only: ClassVar[bool] = False

    head: MlmHead
    strategy: SparsePooling
    activation: SparseActivation
    max_active: int | None = None
    query_weights: npt.NDArray[np.float32] | None = None
    query_max_tokens: int | None = None

    @property
    def pooling(self) -> Pooling:
        """The way that the weights of tokens become one."""
        return self.strategy

    def facts(self) -> Mapping[str, object]:
        """Return what the folder's class has to know."""
        return {
            "activation": self.activation,
            "max_active": self.max_active,
            "query_table": self.query_weights is not None,
            "query_max_tokens": self.query_max_tokens,
        }

    def save_table(self, path: Path, *, words: int) -> None:
        """Write the weights of queries beside the graph, filled up with zeros to the words that it has.

        Raises:
            ExportError: the table has more words, or there is none.
        """
        weights = self.query_weights
        if weights is None or len(weights) > words:
            found = "no weights" if weights is None else f"{len(weights)} weights"
            raise ExportError(
                f"the table of queries has {found}, and the graph {words} words: fetch the checkpoint again"
            )
        np.save(path, np.pad(weights, (0, words - len(weights))), allow_pickle=False)

    def finish(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> onnx.ModelProto:
        """Add the output to a graph: ``(n, length, hidden_size)`` to ``token_weights`` float32 ``(n, words)``.

        Raises:
            ExportError: the head does not fit vectors of this length.
        """
        decoder, bias = self._words(hidden_size)
        hidden = self.head.write(graph, token_vectors)
        firsts = range(0, len(decoder), WORDS_AT_ONCE)
        parts = [slice(first, first + WORDS_AT_ONCE) for first in firsts]
        pool = self._highest if self.strategy == "max" else self._sum
        pooled = [pool(graph, f"words.{part.start}", hidden, decoder[part], bias[part]) for part in parts]
        graph.node("Concat", OUTPUT, *pooled, axis=-1)
        return graph.model(OUTPUT, [len(decoder)])

    def _words(self, hidden_size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The weight ``(words, channels)`` and the bias ``(words,)`` that give the scores."""
        decoder = self.head.weights(self.head.decoder)
        bias = self.head.weights(self.head.bias) if self.head.bias else np.zeros(len(decoder), np.float32)
        if decoder.shape != (len(bias), hidden_size):
            found = f"{self.head.decoder} has the shape {decoder.shape}, and the bias of words {bias.shape}"
            raise ExportError(f"{found}, expected ({len(bias)}, {hidden_size}): the checkpoint is damaged")
        return decoder, bias

    def _highest(
        self,
        graph: GraphBuilder,
        name: str,
        hidden: str,
        decoder: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> str:
        """The largest weight of each word, ``(n, words)``."""
        scores = graph.product(name, hidden, decoder)
        axis = graph.constant("words.axis", lambda: [1], np.int64)
        highest = graph.node("ReduceMax", f"{name}.highest", scores, axis, keepdims=0)
        added = graph.node("Add", f"{name}.biased", highest, graph.weight(f"{name}.bias", bias))
        return self._weigh(graph, name, added)

    def _sum(
        self,
        graph: GraphBuilder,
        name: str,
        hidden: str,
        decoder: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> str:
        """The sum of each word's weights, ``(n, words)``, as a product with ones: see ``vector.py``."""
        weighed = self._weigh(graph, name, graph.linear(name, hidden, decoder, bias))
        total = graph.node("MatMul", f"{name}.sum", row_of_ones(graph), weighed)
        axis = graph.constant("words.axis", lambda: [1], np.int64)
        return graph.node("Squeeze", f"{name}.total", total, axis)

    def _weigh(self, graph: GraphBuilder, name: str, scores: str) -> str:
        """``log(1 + relu(score))``, once or twice."""
        positive = graph.node("Relu", f"{name}.positive", scores)
        value = graph.node("Cast", f"{name}.float64", positive, to=TensorProto.DOUBLE)
        one = graph.constant("words.one", lambda: 1, np.float64)
        for step in range(2 if self.activation == "log1p_relu" else 1):
            value = graph.node("Log", f"{name}.log.{step}", graph.node("Add", f"{name}.above.{step}", value, one))
        return graph.node("Cast", f"{name}.weights", value, to=TensorProto.FLOAT)
