"""The weights of a text's own words beside its vector, from one run: bge-m3's "lexical weights".

"M3-Embedding" (Chen et al., 2024): a token's weight is ``relu(w x + b)`` of its vector, and a word has the largest of
its tokens' weights; special tokens have none. The graph gives a weight for each token, and
:class:`embed_plugin.encode.outputs.LexicalResult` makes words of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder

OUTPUT = KINDS["sparse"].output


@dataclass(frozen=True)
class LexicalWeights:
    """A weight for each token.

    Attributes:
        weight: ``(1, hidden_size)``.
        bias: ``(1,)``.
        dropped: Ids of the special tokens, which have no weight.
        words: Size of the vocabulary.
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    dropped: tuple[int, ...]
    words: int

    def facts(self) -> Mapping[str, object]:
        """Return what the folder's class has to know."""
        sparse = {"activation": "relu", "max_active": None, "query_table": False, "query_max_tokens": None}
        return {**sparse, "words": self.words, "dropped": list(self.dropped)}

    def write(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> None:
        """Add the weights to a graph: ``(n, length, hidden_size)`` to ``token_weights`` float32 ``(n, length)``.

        The weight multiplies from the left, as that of a dense layer does: it stays fp32, in one order for any batch.

        Raises:
            ExportError: the layer does not fit vectors of this length.
        """
        if self.weight.shape != (1, hidden_size) or self.bias.shape != (1,):
            found = f"the layer of word weights has the shapes {self.weight.shape} and {self.bias.shape}"
            raise ExportError(f"{found}, expected (1, {hidden_size}) and (1,): fetch the checkpoint again")
        columns = graph.node("Transpose", "lexical.columns", token_vectors, perm=[0, 2, 1])
        scores = graph.node("MatMul", "lexical.scores", graph.weight("lexical.weight", self.weight), columns)
        added = graph.node("Add", "lexical.biased", scores, graph.weight("lexical.bias", self.bias))
        positive = graph.node("Relu", "lexical.positive", added)
        graph.node("Squeeze", OUTPUT, positive, graph.weight("lexical.axis", [1], np.int64))
