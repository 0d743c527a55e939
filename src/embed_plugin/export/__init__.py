"""Checkpoint to model folder: source -> graph -> calibrate -> quantise -> compare."""

from embed_plugin.export.export import ExportSettings, export

__all__ = ["ExportSettings", "export"]
