"""The interface of an output: one function from token vectors to a finished graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.onnx_graph.builder import GraphBuilder
    from embed_plugin.types import Kind, Pooling


class Output(Protocol):
    """The last part of a graph.

    Attributes:
        kind: Kind of the results.
        pooling: The way that token vectors become one.
        reads_segments: Tokens are of one of two segments: those of the second have ids that are larger by the number of
            rows of the word table.
        reads_first_token_only: Only the vector of a text's first token is read, so the last layer may compute no other.
    """

    @property
    def kind(self) -> Kind: ...  # noqa: D102 - documented above, as the next three
    @property
    def pooling(self) -> Pooling: ...  # noqa: D102
    @property
    def reads_segments(self) -> bool: ...  # noqa: D102
    @property
    def reads_first_token_only(self) -> bool: ...  # noqa: D102

    def facts(self) -> Mapping[str, object]:
        """Return the further facts for the manifest that change results."""

    def finish(self, graph: GraphBuilder, token_vectors: str, hidden_size: int) -> onnx.ModelProto:
        """Add the output to a graph and return the finished model.

        Args:
            graph: Has ``input_ids`` and the backbone.
            token_vectors: Name of the value ``(n, length, hidden_size)``, or ``(n, 1, hidden_size)`` where only the
                first token is read.
            hidden_size: Length of a token's vector.

        Raises:
            ExportError: the output does not fit vectors of this length.
        """
