"""The machine's processor: its features, and the class that decides how a model is run."""

from embed_plugin.cpu.classes import CpuClass, detect_class

__all__ = ["CpuClass", "detect_class"]
