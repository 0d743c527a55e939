"""Build the kernels again, as ``hatch_build.py`` does, with another compiler or other flags."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from embed_plugin.kernels import LIBRARY

ROOT = Path(__file__).parents[2]
BUILD = """
import os, sys, hatch_build as build
build.FLAGS += os.environ.get("KERNELS_FLAGS", "").split()
sys.exit(build.compile_library(build.Path(sys.argv[1]), build.Path(sys.argv[2])) or 0)
"""
"""KERNELS_FLAGS holds flags that come after all others."""


def build(folder: Path, *, compiler: str = "", flags: tuple[str, ...] = ()) -> Path:
    """Build a copy of the sources in a folder; returns the library."""
    sources = shutil.copytree(LIBRARY.parent, folder / "sources", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    library = sources / "tried.so"
    environment = {**os.environ, "CC": " ".join([compiler or os.environ.get("CC", "cc"), *flags])}
    environment.pop("LD_PRELOAD", None)  # of the sanitizers: it is for the tests, not for the compiler
    subprocess.run([sys.executable, "-c", BUILD, sources, library], cwd=ROOT, env=environment, check=True)
    return library
