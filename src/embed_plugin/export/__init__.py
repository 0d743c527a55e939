"""Export a checkpoint to a model folder: source -> graph -> calibrate -> quantise -> compare -> gate."""

from embed_plugin.export.run import export
from embed_plugin.export.settings import ExportSettings

__all__ = ["ExportSettings", "export"]
