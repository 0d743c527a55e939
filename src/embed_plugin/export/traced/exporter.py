"""The exporter through optimum: trace, fold the mask away, compare with torch, add the output."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import onnx

from embed_plugin.export.onnx_graph.file import save_graph
from embed_plugin.export.traced.backbone import TOKEN_VECTORS, TorchBackbone, read_backbone_config
from embed_plugin.export.traced.faithful import finished, require_faithful
from embed_plugin.export.traced.fold_mask import fold_mask
from embed_plugin.export.traced.weight_products import expose_weights

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output


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
            hidden_size = require_faithful(traced, backbone, max_tokens)
            return finished(onnx.load(traced), TOKEN_VECTORS, output, hidden_size)
