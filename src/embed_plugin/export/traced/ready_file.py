"""The exporter from a ready ONNX file: fold the mask away, compare with the file itself, add the output."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.encode.session import open_session
from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checks.token_table import table_rows
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.file import save_graph
from embed_plugin.export.traced.faithful import finished, require_faithful
from embed_plugin.export.traced.fold_mask import fold_mask
from embed_plugin.export.traced.known import positions_of
from embed_plugin.export.traced.read_file import read_onnx_file
from embed_plugin.export.traced.weight_products import expose_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output


class OnnxFileExporter:
    """Makes the graph of a checkpoint that has an fp32 ONNX file, as other libraries publish it."""

    name = "onnx"
    packages: tuple[str, ...] = ()

    def __init__(self, checkpoint: CheckpointDescription) -> None:
        """Find the file; it is not read yet.

        Raises:
            SourceError: there is none.
        """
        found = checkpoint.onnx_file()
        if found is None:
            others = ", ".join(sorted(path.name for path in checkpoint.folder.glob("**/*.onnx"))) or "none"
            message = f"{checkpoint.folder} has no onnx/model.onnx and no model.onnx (found {others})"
            raise SourceError(f"{message}: give a checkpoint with one, or leave --exporter out")
        config = checkpoint.config.object_if_there()
        self.path = found
        self.architecture = str(config.get("model_type", "onnx"))
        self.positions = positions_of(
            self.architecture, config.get("max_position_embeddings"), config.get("pad_token_id")
        )

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; ``work`` is a folder for temporary files."""
        model, token_vectors = read_onnx_file(self.path)
        with TemporaryDirectory(dir=work) as scratch:
            inputs = [value.name for value in model.graph.input]
            whole, folded = Path(scratch) / "whole.onnx", Path(scratch) / "folded.onnx"
            fold_mask(model)
            expose_weights(model.graph)
            rows = table_rows(model.graph)
            if rows is None:
                raise ExportError(f"{self.path}: no table is looked up by {INPUT}: it is no text encoder")
            save_graph(model, folded)
            save_graph(read_onnx_file(self.path)[0], whole)
            hidden_size = require_faithful(folded, FileBackbone(self.path, whole, inputs, rows), max_tokens)
            return finished(onnx.load(folded), token_vectors, output, hidden_size)


class FileBackbone:
    """The file as it is, with a mask of ones: the folded graph is compared with it."""

    def __init__(self, path: Path, whole: Path, inputs: list[str], vocabulary: int) -> None:
        self.folder = path
        self.vocabulary = vocabulary
        self.inputs = inputs
        try:
            self.session = open_session(whole, options={"log_severity_level": 4})  # the error has the reason
        except Exception as error:  # onnxruntime has no common base for its errors
            raise ExportError(f"{path} cannot be run by onnxruntime ({error})") from error

    def token_vectors(self, input_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``(n, length)`` to ``(n, length, hidden_size)``, without padding."""
        ones = np.ones_like(input_ids)
        every = {
            INPUT: input_ids,
            "attention_mask": ones,
            "token_type_ids": ones - 1,
            "position_ids": ones.cumsum(axis=1) - 1,
        }
        try:
            vectors = self.session.run(None, {name: every[name] for name in self.inputs})[0]
        except Exception as error:  # onnxruntime has no common base for its errors
            message = f"{self.folder} cannot be run on token ids of shape {input_ids.shape} ({error})"
            raise ExportError(message) from error
        return np.asarray(vectors, np.float32)
