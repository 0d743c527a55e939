"""Choose the output of an export: the checkpoint's, or that of its ready ONNX file where the checkpoint states none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.checkpoint.output import read_output
from embed_plugin.export.traced.ready_file import OnnxFileExporter

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.choose_exporter import Exporter
    from embed_plugin.export.outputs.vector import VectorOutput


def choose_output(checkpoint: CheckpointDescription, exporter: Exporter) -> VectorOutput:
    """Choose the output.

    Raises:
        ExportError: the checkpoint, or the file, has a step that the graph lacks.
        SourceError: a file of a step is missing or damaged.
    """
    stated = read_output(checkpoint)
    states_none = not checkpoint.modules and not checkpoint.pooling.is_there
    found = exporter.output() if states_none and isinstance(exporter, OnnxFileExporter) else None
    return found or stated
