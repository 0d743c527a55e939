"""The CPU: its features, its class, which decides how a model is run, and the number of cores this process may use."""

from embed_plugin.cpu.classes import CpuClass, detect_class

__all__ = ["CpuClass", "detect_class"]
