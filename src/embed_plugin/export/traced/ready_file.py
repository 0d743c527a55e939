"""The exporter from a ready ONNX file: fold the mask away, compare with the file itself, add the output."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from embed_plugin.encode.session import open_session
from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checks.token_table import table_rows
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import remove_unused
from embed_plugin.export.onnx_graph.file import save_graph
from embed_plugin.export.traced.faithful import compared_ids, finished, require_faithful, require_same_vector
from embed_plugin.export.traced.file_pooling import find_pooling
from embed_plugin.export.traced.fold_mask import fold_mask
from embed_plugin.export.traced.known import positions_of
from embed_plugin.export.traced.read_file import PREFIX, read_onnx_file
from embed_plugin.export.traced.weight_products import expose_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output
    from embed_plugin.export.outputs.vector import VectorOutput
    from embed_plugin.export.traced.read_file import OnnxFile


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
        self._read: OnnxFile | None = None
        self.architecture = str(config.get("model_type", "onnx"))
        self.positions = positions_of(
            self.architecture, config.get("max_position_embeddings"), config.get("pad_token_id")
        )

    def output(self) -> VectorOutput | None:
        """The output that the file itself ends in; None: it gives token vectors, and no vector that is understood.

        Raises:
            ExportError: it gives no token vectors, and makes the text's vector in a way that is not known.
        """
        file = self._read = self._folded()
        if file.vector is None:
            return None
        try:
            return find_pooling(file.model.graph, file.vector, self.path).output
        except ExportError:
            if file.token_vectors is None:
                raise
            return None  # the vectors are compared once they are built

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; ``work`` is a folder for temporary files."""
        file, self._read = self._read or self._folded(), None
        model, vector = file.model, file.vector
        token_vectors = file.token_vectors or find_pooling(model.graph, str(vector), self.path).token_vectors
        rows = table_rows(model.graph)
        if rows is None:
            raise ExportError(f"{self.path}: no table is looked up by {INPUT}: it is no text encoder")
        with TemporaryDirectory(dir=work) as scratch:
            folded = Path(scratch) / "folded.onnx"
            _give(model, [token_vectors])
            save_graph(model, folded)
            outputs = [token_vectors] if vector is None else [token_vectors, vector]
            backbone = FileBackbone(self.path, outputs, rows, Path(scratch))
            hidden_size = require_faithful(folded, backbone, max_tokens)
            made = finished(onnx.load(folded), token_vectors, output, hidden_size)
            if vector is None:
                return made
            ended = Path(scratch) / "ended.onnx"
            save_graph(made, ended)
            own = f"the file's own {vector.removeprefix(PREFIX)}"
            what = f"{self.path}: the tokens pooled by {output.pooling}, beside {own}"
            require_same_vector(ended, compared_ids(rows, max_tokens), backbone.vectors, what)
            return onnx.load(ended)

    def _folded(self) -> OnnxFile:
        """The file without its mask, weights where products read them."""
        file = read_onnx_file(self.path)
        fold_mask(file.model)
        expose_weights(file.model.graph)
        return file


def _give(model: onnx.ModelProto, names: list[str]) -> None:
    """Make these values a model's outputs, and drop what only others need."""
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    remove_unused(model.graph)


class FileBackbone:
    """The file as it is, with a mask of ones: the folded graph is compared with it."""

    def __init__(self, path: Path, outputs: list[str], vocabulary: int, scratch: Path) -> None:
        """Open the file for some of its values: the token vectors, and the text's vector if there is one."""
        self.folder = path
        self.vocabulary = vocabulary
        model = read_onnx_file(path).model
        _give(model, outputs)
        self.inputs = [value.name for value in model.graph.input]
        whole = scratch / "whole.onnx"
        save_graph(model, whole)
        try:
            self.session = open_session(whole, options={"log_severity_level": 4})  # the error has the reason
        except Exception as error:  # onnxruntime has no common base for its errors
            raise ExportError(f"{path} cannot be run by onnxruntime ({error})") from error

    def token_vectors(self, input_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``(n, length)`` to ``(n, length, hidden_size)``, without padding."""
        return self._run(input_ids)[0]

    def vectors(self, input_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``(n, length)`` to the file's own ``(n, dimension)``."""
        return self._run(input_ids)[1]

    def _run(self, input_ids: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float32]]:
        ones = np.ones_like(input_ids)
        every = {
            INPUT: input_ids,
            "attention_mask": ones,
            "token_type_ids": ones - 1,
            "position_ids": ones.cumsum(axis=1) - 1,
        }
        try:
            found = self.session.run(None, {name: every[name] for name in self.inputs})
        except Exception as error:  # onnxruntime has no common base for its errors
            message = f"{self.folder} cannot be run on token ids of shape {input_ids.shape} ({error})"
            raise ExportError(message) from error
        return [np.asarray(values, np.float32) for values in found]
