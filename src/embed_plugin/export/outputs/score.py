"""One score of a query and a text joined: a token's vector, or the mean, passes through the checkpoint's last layers.

The score is the raw logit. Its activation is in the manifest and applied outside the graph, in float64, for an engine's
own differs between CPUs in the last bit. The tanh in front of the last layer is computed in float64 for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from onnx import TensorProto

from embed_plugin.errors import ExportError
from embed_plugin.export.outputs.vector import COLUMN, Dense, apply_dense, pool
from embed_plugin.model.kinds import KINDS
from embed_plugin.model.pair_prompt import PROMPT, PROMPT_BY_CALLER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.onnx_graph.builder import GraphBuilder
    from embed_plugin.model.pair_prompt import PairPrompt
    from embed_plugin.model.scores import ScoreActivation
    from embed_plugin.types import Kind, Pooling


@dataclass(frozen=True)
class HeadNorm:
    """A layer normalisation in front of the last layer.

    Attributes:
        scale: ``(size,)``.
        bias: ``(size,)``; None: there is none.
        epsilon: Added to the variance.
    """

    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32] | None
    epsilon: float


@dataclass(frozen=True)
class ScoreOutput:
    """One score of a query and a text.

    Attributes:
        pooling: The way token vectors become one.
        dense: The layers that the pooled vector passes through; the last one gives one number.
        activation: Makes the score of the graph's number.
        norm: In front of the last layer; None: there is none.
        second_segment: What the second segment adds to its tokens' ids, the rows of the word table; 0: the model reads
            no segments.
        prompt: The text that query and text are put into; None: the tokenizer joins them.
        prompt_by_caller: Callers put the prompt into query and text, which are joined as they are.
    """

    kind: ClassVar[Kind] = "reranker"

    pooling: Pooling
    dense: tuple[Dense, ...]
    activation: ScoreActivation
    norm: HeadNorm | None = None
    second_segment: int = 0
    prompt: PairPrompt | None = None
    prompt_by_caller: bool = False

    @property
    def reads_segments(self) -> bool:
        """Tokens are of one of two segments."""
        return self.second_segment > 0

    @property
    def reads_first_token_only(self) -> bool:
        """Only the vector of a text's first token is read."""
        return self.pooling == "cls"

    def facts(self) -> Mapping[str, object]:
        """Return the activation, the segments and the prompt."""
        prompt: dict[str, object] = {PROMPT: self.prompt.as_facts()} if self.prompt else {}
        prompt |= {PROMPT_BY_CALLER: True} if self.prompt_by_caller else {}
        return {"activation": self.activation, "second_segment": self.second_segment, **prompt}

    def finish(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> onnx.ModelProto:
        """Add the output to a graph: ``(n, length, hidden_size)`` to ``score`` float32 ``(n, 1)``.

        Raises:
            ExportError: a layer does not fit what comes before it, or the last one gives more than one number.
        """
        self._require_fit(hidden_size)
        column = graph.node("Transpose", COLUMN, pool(graph, token_vectors, self.pooling, scaled=True), perm=[0, 2, 1])
        for index, dense in enumerate(self.dense):
            if self.norm is not None and index == len(self.dense) - 1:
                column = _norm(graph, column, self.norm)
            column = _layer(graph, f"head.{index}", column, dense)
        name = KINDS[self.kind].output
        graph.node("Squeeze", name, column, graph.weight("score.axis", [2], np.int64))
        return graph.model(name, [1])

    def _require_fit(self, hidden_size: int) -> None:
        size = hidden_size
        for dense in self.dense:
            outputs, inputs = dense.weight.shape
            if inputs != size:
                found = f"a layer of the head takes vectors of {inputs}, and what comes before it gives {size}"
                raise ExportError(f"{found}: the checkpoint is damaged, fetch it again")
            size = outputs
        if size != 1:
            raise ExportError(f"the head gives {size} numbers, expected one score: this is a classifier, no reranker")


def _layer(graph: GraphBuilder, name: str, column: str, dense: Dense) -> str:
    """One layer, ``(n, in, 1)`` to ``(n, out, 1)``; tanh is computed in float64."""
    if dense.activation != "Tanh":
        return apply_dense(graph, name, column, dense)
    linear = apply_dense(graph, f"{name}.linear", column, Dense(dense.weight, dense.bias, "Identity"))
    wide = graph.node("Cast", f"{name}.wide", linear, to=TensorProto.DOUBLE)
    return graph.node("Cast", name, graph.node("Tanh", f"{name}.tanh", wide), to=TensorProto.FLOAT)


def _norm(graph: GraphBuilder, column: str, norm: HeadNorm) -> str:
    """The norm of a column, which is a row while it is normalised."""
    row = graph.node("Transpose", "head.norm.row", column, perm=[0, 2, 1])
    parts = {"head.norm.weight": norm.scale} | ({} if norm.bias is None else {"head.norm.bias": norm.bias})
    constants = [graph.weight(name, values) for name, values in parts.items()]
    normed = graph.node("LayerNormalization", "head.norm", row, *constants, axis=-1, epsilon=norm.epsilon)
    return graph.node("Transpose", "head.norm.column", normed, perm=[0, 2, 1])
