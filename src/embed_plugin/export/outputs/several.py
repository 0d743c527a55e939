"""One vector of a text, the weights of its words and one vector for each token, from one run: bge-m3.

"M3-Embedding" (Chen et al., 2024). A checkpoint may have the vector and one of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from onnx import TensorProto, helper

from embed_plugin.model.kinds import KINDS
from embed_plugin.model.late_interaction import KIND as LATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.onnx_graph.builder import GraphBuilder
    from embed_plugin.export.outputs.lexical import LexicalWeights
    from embed_plugin.export.outputs.tokens import TokensOutput
    from embed_plugin.export.outputs.vector import VectorOutput
    from embed_plugin.types import Kind, Pooling


@dataclass(frozen=True)
class SeveralOutputs:
    """A vector, and what else a run gives.

    Attributes:
        vector: The vector of a text.
        lexical: The weights of its words; None: there are none.
        tokens: The vectors of its tokens; None: there are none.
    """

    kind: ClassVar[Kind] = "embedding"
    reads_segments: ClassVar[bool] = False
    reads_first_token_only: ClassVar[bool] = False

    vector: VectorOutput
    lexical: LexicalWeights | None
    tokens: TokensOutput | None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of result, the vector first."""
        words: tuple[Kind, ...] = () if self.lexical is None else ("sparse",)
        return ("embedding", *words, *(() if self.tokens is None else (self.tokens.kind,)))

    @property
    def pooling(self) -> Pooling:
        """The way that token vectors become one."""
        return self.vector.pooling

    def facts(self) -> Mapping[str, object]:
        """Return the facts about words, and as a part of their own those about tokens."""
        words = {} if self.lexical is None else self.lexical.facts()
        return {**words, **({} if self.tokens is None else {LATE: self.tokens.facts()})}

    def finish(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> onnx.ModelProto:
        """Add the outputs to a graph, the vector first.

        Raises:
            ExportError: a layer does not fit.
        """
        shapes: dict[Kind, list[int | str]] = {}
        if self.lexical is not None:
            self.lexical.write(graph, token_vectors, hidden_size)
            shapes["sparse"] = ["n", "length"]
        if self.tokens is not None:
            shapes[self.tokens.kind] = ["n", "length", self.tokens.write(graph, token_vectors, hidden_size)]
        model = self.vector.finish(graph, token_vectors, hidden_size)
        for kind, shape in shapes.items():
            model.graph.output.append(helper.make_tensor_value_info(KINDS[kind].output, TensorProto.FLOAT, shape))
        return model
