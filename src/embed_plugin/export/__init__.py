"""Checkpoint to model folder: source -> graph -> calibrate -> quantise -> compare."""

from embed_plugin.export.exporter import ExportSettings, export

__all__ = ["ExportSettings", "export"]
