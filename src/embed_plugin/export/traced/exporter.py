"""The exporter through optimum: trace, fold the mask away, compare with torch, add the output."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.encode.session import open_session
from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.onnx_graph.file import save_graph
from embed_plugin.export.traced.backbone import TOKEN_VECTORS, TorchBackbone, read_backbone_config
from embed_plugin.export.traced.fold_mask import fold_mask
from embed_plugin.export.traced.weight_products import expose_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output

LEAST_COSINE = 0.9999
"""Lowest cosine between a token's vectors from the traced graph and from torch; both are fp32, 0.999999 is usual."""

LENGTHS_COMPARED = (1, 2, 3, 17)
LONGEST_COMPARED = 1024
"""Tokens of the longest text compared. It covers the usual tables of learned positions; models for longer texts compute
their positions, and the attention scores of 12 heads over 8192 tokens are 3 GB for one text and layer."""


class OptimumExporter:
    """Exports any architecture that transformers has in its own code and optimum can trace."""

    name = "optimum"
    packages = ("optimum-onnx", "optimum", "transformers", "torch")

    def __init__(self, checkpoint: CheckpointDescription) -> None:
        self.checkpoint = checkpoint
        config = read_backbone_config(checkpoint)
        self.architecture = config.model_type
        self.positions = config.positions

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; ``work`` is a folder for temporary files."""
        backbone = TorchBackbone(self.checkpoint)
        with TemporaryDirectory(dir=work) as scratch:
            model = backbone.trace(Path(scratch))
            fold_mask(model)
            expose_weights(model.graph)
            traced = Path(scratch) / "folded.onnx"
            save_graph(model, traced)
            hidden_size = _compare(backbone, traced, max_tokens)
            return _finish(onnx.load(traced), output, hidden_size)


def _finish(backbone: onnx.ModelProto, output: Output, hidden_size: int) -> onnx.ModelProto:
    """The backbone with its output, in a model like the native exporter's."""
    graph = GraphBuilder()
    graph.nodes.extend(backbone.graph.node)
    graph.weights.extend(backbone.graph.initializer)
    return output.finish(graph, TOKEN_VECTORS, hidden_size)


def _compare(backbone: TorchBackbone, traced: Path, max_tokens: int) -> int:
    """Compare the graph with the model it was traced from, at several lengths; return the length of a token's vector.

    Tracing fixes the length where a model's code reads it, and not every operator of onnxruntime gives the same bits in
    every batch. Without this check both would show much later.

    Raises:
        ExportError: the graph computes something else, or a text's vectors depend on its batch.
    """
    rng = np.random.default_rng(0)
    shorter = [length for length in LENGTHS_COMPARED if length < max_tokens]
    for length in [*shorter, min(max_tokens, LONGEST_COMPARED)]:
        ids, what = rng.integers(0, backbone.vocabulary, (2, length)), f"{backbone.folder}, {length} tokens"
        vectors, alone = _run(traced, [ids, ids[1:]])
        expected = backbone.token_vectors(ids)
        _require_same(vectors, expected, what)
        _require_independent(vectors[1:], alone, what)
    return int(expected.shape[-1])


def _run(traced: Path, inputs: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.float32]]:
    try:
        session = open_session(traced, options={"log_severity_level": 4})  # the error has the reason
        return [session.run(None, {INPUT: ids})[0] for ids in inputs]
    except Exception as error:  # onnxruntime has no common base for its errors
        shape = inputs[0].shape
        raise ExportError(f"onnxruntime cannot run the traced graph on token ids of shape {shape} ({error})") from error


def _require_same(vectors: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], what: str) -> None:
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(expected, axis=-1)
    least = float((np.sum(vectors * expected, axis=-1) / lengths).min())
    if not least >= LEAST_COSINE:
        found = f"the cosine of the traced graph's token vectors to torch's is {least:.6f}"
        raise ExportError(f"{what}: {found}, expected {LEAST_COSINE}: optimum does not export this model faithfully")


def _require_independent(vectors: npt.NDArray[np.float32], alone: npt.NDArray[np.float32], what: str) -> None:
    if vectors.tobytes() != alone.tobytes():
        found = "the traced graph gives a text other vectors in a batch than alone"
        raise ExportError(f"{what}: {found}: an operator of this architecture is not usable with onnxruntime")
