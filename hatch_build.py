"""Compile the operators in ``src/embed_plugin/kernels`` when the package is built, where that is possible.

They are optional: without a C compiler, or on another system than Linux on x86-64, the package is built without them.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src/embed_plugin/kernels")
LIBRARY = SOURCES / "kernels.so"
SKIP = "EMBED_PLUGIN_NO_KERNELS"

INSTRUCTIONS = ["avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx512bf16"]
"""The flags of the class ``avx512-bf16`` in ``cpu/classes.py``, by the compiler's names; a test compares the two. Not
-march=native: the package checks the CPU before it loads the library."""
FLAGS = [
    "-std=c11",
    "-O3",
    *(f"-m{name}" for name in INSTRUCTIONS),
    "-ffp-contract=off",  # a product and a sum are one operation where the source says so: results are the source's
    "-fno-math-errno",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wl,-z,nodelete",  # sessions may refer to its functions until the process ends
    "-Wl,-z,defs",
    "-pthread",
]
WITHOUT_TILES = "-DWITHOUT_TILES"
"""Leaves AMX out, for assemblers that do not know it (binutils 2.35)."""


class KernelsHook(BuildHookInterface[Any]):
    """Adds the library to a wheel, or to the source folder of an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - standard and editable alike
        """Compile the library and tag the wheel for this platform; without a library leave it a pure Python one."""
        library = Path(self.root) / LIBRARY
        library.unlink(missing_ok=True)  # of an earlier build: a pure Python wheel must not contain it
        reason = compile_library(Path(self.root) / SOURCES, library)
        if reason:
            self.app.display_warning(f"embed-plugin is built without its own CPU kernels: {reason}")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_library(sources: Path, library: Path) -> str:
    """Compile the sources; returns an empty string, or the reason why there is no library."""
    if os.environ.get(SKIP):
        return f"{SKIP} is set"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "they are for Linux on x86-64"
    command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, *map(str, sorted(sources.glob("*.c")))]
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        built = Path(folder, library.name)  # renamed when complete: a process may have loaded the old one
        reason = _run([*command, "-o", str(built)])
        if reason and not _run([*command, WITHOUT_TILES, "-o", str(built)]):
            reason = ""
        if not reason:
            built.replace(library)
    return reason


def _run(command: list[str]) -> str:
    """Run a compiler; returns an empty string, or its error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the builder's own compiler
    except OSError as error:
        return f"no C compiler ({error})"
    return f"{command[0]} failed ({' '.join(done.stderr.split())[:500]})" if done.returncode else ""
