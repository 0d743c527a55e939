"""The exporter that needs no other package: graphs written from the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.checkpoint.weights import Weights

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.adapters.adapter import Adapter
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output


class NativeExporter:
    """Writes the graph of any registered architecture."""

    name = "native"
    packages: tuple[str, ...] = ()

    def __init__(self, checkpoint: CheckpointDescription, adapter: Adapter | None = None) -> None:
        self.family = find_architecture(checkpoint)
        self.architecture = checkpoint.model_type
        self.config = self.family.read_config(checkpoint)
        self.weights = Weights(
            checkpoint,
            word_table=self.family.word_table,
            prefixes=self.family.prefixes,
            left_out=self.family.left_out,
            adapter=adapter,
            blocks=self.family.blocks,
        )
        self.positions: int = self.config.positions

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph; it takes every length that the checkpoint does, and needs no files in between."""
        del max_tokens, work
        graph = self.family.build(self.config, self.weights, output)
        self.weights.require_all_used()
        return graph
