"""The exporter that needs no other package: graphs written from the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.architectures.bert import build_graph
from embed_plugin.export.architectures.bert_config import Weights, read_config
from embed_plugin.export.architectures.nomic import NomicGraph
from embed_plugin.export.architectures.nomic_config import ARCHITECTURE as NOMIC
from embed_plugin.export.architectures.nomic_config import NomicConfig, read_nomic_config
from embed_plugin.export.checkpoint.files import read_object

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.outputs.vector import Head


class NativeExporter:
    """BERT, RoBERTa, XLM-RoBERTa and nomic-bert."""

    name = "native"
    packages: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.architecture = str(read_object(folder / "config.json").get("model_type"))
        is_nomic = self.architecture == NOMIC
        self.config = read_nomic_config(folder) if is_nomic else read_config(folder)
        self.weights = Weights(folder)
        self.positions = self.config.positions

    def build(self, head: Head, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; it takes every length that the checkpoint does, and needs no files in between."""
        del max_tokens, work
        if isinstance(self.config, NomicConfig):
            graph = NomicGraph(self.config, self.weights, head).build()
        else:
            graph = build_graph(self.config, self.weights, head)
        self.weights.require_all_used()
        return graph
