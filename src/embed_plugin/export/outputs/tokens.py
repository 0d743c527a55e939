"""One vector of unit length for each token of a text: late interaction, as ColBERT has it.

Token vectors pass through the checkpoint's dense layers, which are products of tokens as any other of the model: INT8
rounds them too, and own kernels compute them. Which tokens of a text have a vector is decided where texts are encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embed_plugin.errors import ExportError
from embed_plugin.export.outputs.expansion import hide_expansion
from embed_plugin.export.outputs.vector import normalise
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    import onnx

    from embed_plugin.export.onnx_graph.builder import GraphBuilder
    from embed_plugin.model.late_interaction import LateInteractionFacts
    from embed_plugin.types import Kind, Pooling


@dataclass(frozen=True)
class TokenDense:
    """A linear layer on each token's vector.

    Attributes:
        weight: ``(out, in)``, as torch stores it.
        bias: ``(out,)``; None: there is none.
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TokensOutput:
    """One vector of unit length for each token.

    Attributes:
        dense: The layers that token vectors pass through.
        late: The facts for the manifest.
    """

    kind: ClassVar[Kind] = "late-interaction"
    pooling: ClassVar[Pooling] = "none"
    reads_segments: ClassVar[bool] = False
    reads_first_token_only: ClassVar[bool] = False

    dense: tuple[TokenDense, ...]
    late: LateInteractionFacts

    def facts(self) -> Mapping[str, object]:
        """Return markers, lengths, expansion and skipped tokens."""
        return self.late.of_manifest()

    def finish(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> onnx.ModelProto:
        """Add the output to a graph: ``(n, length, hidden_size)`` to ``token_vectors`` ``(n, length, dimension)``.

        Raises:
            ExportError: a dense layer does not fit; or tokens do not attend to the expansion of queries, and the
                backbone's attention is one of which that is not written.
        """
        size = self.write(graph, token_vectors, hidden_size)
        return graph.model(KINDS[self.kind].output, ["length", size])

    def write(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> int:
        """:meth:`finish` for a graph that has other outputs too; returns the length of a token's vector."""
        value, size = token_vectors, hidden_size
        for index, dense in enumerate(self.dense):
            outputs, inputs = dense.weight.shape
            if inputs != size:
                found = f"a dense layer takes vectors of {inputs}, and what comes before it gives {size}"
                raise ExportError(f"{found}: the checkpoint is damaged, fetch it again")
            name, size = f"tokens.dense.{index}", outputs
            if dense.bias is None:
                value = graph.product(name, value, dense.weight)
            else:
                value = graph.linear(name, value, dense.weight, dense.bias)
        normalise(graph, value, KINDS[self.kind].output, prefix="tokens.")
        if self.late.expansion is not None and not self.late.sees_expansion:
            hide_expansion(graph, token=self.late.expansion, query_length=self.late.query_length)
        return size
