"""Compare a backbone's folded graph with the model that it was made from, and add the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from embed_plugin.encode.session import open_session
from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.outputs.output import Output

LEAST_COSINE = 0.9999
"""Lowest cosine between a token's vectors from the graph and from the model; both are fp32, 0.999999 is usual."""

LEAST_VECTOR_COSINE = 0.999999
"""Lowest cosine between a text's vector from the graph and the file's own."""

LENGTHS_COMPARED = (1, 2, 3, 17)
LONGEST_COMPARED = 1024
"""Tokens of the longest text compared. It covers the usual tables of learned positions; models for longer texts compute
their positions, and the attention scores of 12 heads over 8192 tokens are 3 GB for one text and layer."""


class Backbone(Protocol):
    """The model that a graph was made from.

    Attributes:
        folder: Names it in messages.
        vocabulary: Number of token ids.
    """

    @property
    def folder(self) -> Path: ...  # noqa: D102 - documented above, as the next one
    @property
    def vocabulary(self) -> int: ...  # noqa: D102

    def token_vectors(self, input_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``(n, length)`` to ``(n, length, hidden_size)``, without padding."""


def finished(backbone: onnx.ModelProto, token_vectors: str, output: Output, hidden_size: int) -> onnx.ModelProto:
    """The backbone with its output, in a model like the native exporter's."""
    graph = GraphBuilder()
    graph.nodes.extend(backbone.graph.node)
    graph.weights.extend(backbone.graph.initializer)
    return output.finish(graph, token_vectors, hidden_size)


def require_faithful(traced: Path, backbone: Backbone, max_tokens: int) -> int:
    """Compare the graph with the model it was traced from, at several lengths; return the length of a token's vector.

    Tracing fixes the length where a model's code reads it, and not every operator of onnxruntime gives the same bits in
    every batch. Without this check both would show much later.

    Raises:
        ExportError: the graph computes something else, or a text's vectors depend on its batch.
    """
    for ids in compared_ids(backbone.vocabulary, max_tokens):
        what = f"{backbone.folder}, {ids.shape[1]} tokens"
        vectors, alone = _run(traced, [ids, ids[1:]])
        expected = backbone.token_vectors(ids)
        _require_same(vectors, expected, what)
        _require_independent(vectors[1:], alone, what)
    return int(expected.shape[-1])


def compared_ids(vocabulary: int, max_tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Two random texts of each length that is compared."""
    rng = np.random.default_rng(0)
    shorter = [length for length in LENGTHS_COMPARED if length < max_tokens]
    for length in [*shorter, min(max_tokens, LONGEST_COMPARED)]:
        yield rng.integers(0, vocabulary, (2, length))


def require_same_vector(
    finished_graph: Path,
    texts: Iterable[npt.NDArray[np.int64]],
    expected: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]],
    what: str,
) -> None:
    """Compare the texts' vectors of a finished graph with those that its file gives itself.

    Args:
        finished_graph: The file of the graph.
        texts: Token ids.
        expected: Gives the file's own vectors; where it has more values, the first count.
        what: Both sides, for the message.

    Raises:
        ExportError: they are others.
    """
    for ids in texts:
        (vectors,) = _run(finished_graph, [ids])
        own = expected(ids).reshape(len(ids), -1)[:, : vectors.shape[1]]
        if own.shape != vectors.shape:
            found = f"{what}: {vectors.shape[1]} values beside {own.shape[1]}"
            raise ExportError(f"{found}: take the file and what is beside it of one model")
        least = float((np.sum(vectors * own, axis=-1) / np.linalg.norm(own, axis=-1)).min())  # ours have length 1
        if not least >= LEAST_VECTOR_COSINE:
            found = f"{what}, {ids.shape[1]} tokens: the cosine is {least:.6f}, expected {LEAST_VECTOR_COSINE}"
            raise ExportError(f"{found}: take the file and what is beside it of one model")


def _run(traced: Path, inputs: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.float32]]:
    try:
        session = open_session(traced, options={"log_severity_level": 4})  # the error has the reason
        return [session.run(None, {INPUT: ids})[0] for ids in inputs]
    except Exception as error:  # onnxruntime has no common base for its errors
        shape = inputs[0].shape
        raise ExportError(f"onnxruntime cannot run the graph on token ids of shape {shape} ({error})") from error


def _require_same(vectors: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], what: str) -> None:
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(expected, axis=-1)
    least = float((np.sum(vectors * expected, axis=-1) / lengths).min())
    if not least >= LEAST_COSINE:
        found = f"the cosine of the graph's token vectors to the model's is {least:.6f}"
        raise ExportError(f"{what}: {found}, expected {LEAST_COSINE}: the graph is not this model")


def _require_independent(vectors: npt.NDArray[np.float32], alone: npt.NDArray[np.float32], what: str) -> None:
    if vectors.tobytes() != alone.tobytes():
        found = "the graph gives a text other vectors in a batch than alone"
        raise ExportError(f"{what}: {found}: an operator of this architecture is not usable with onnxruntime")
