"""The exporter that needs no other package: the BERT family's graph, written from the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.bert_graph import build_graph
from embed_plugin.export.checkpoint import Weights, read_config

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.head import Head


class NativeExporter:
    """BERT, RoBERTa and XLM-RoBERTa."""

    name = "native"
    packages: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.config = read_config(folder)
        self.weights = Weights(folder)
        self.architecture = self.config.model_type
        self.positions = self.config.positions

    def build(self, head: Head, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; it takes every length that the checkpoint does, and needs no files in between."""
        del max_tokens, work
        return build_graph(self.config, self.weights, head)
