"""Compile the operators in ``src/embed_plugin/kernels`` when the package is built, where that is possible.

They are optional: without a C compiler, or on another system than Linux and macOS on x86-64 and ARM64, the package is
built without them.
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
from packaging.tags import mac_platforms

SOURCES = Path("src/embed_plugin/kernels")
LIBRARY = SOURCES / "kernels.so"
SKIP = "EMBED_PLUGIN_NO_KERNELS"

AVX2 = ["-mavx2", "-mfma"]
AVX512_VNNI = [*AVX2, *(f"-mavx512{name}" for name in ("f", "bw", "dq", "vl", "vnni"))]
X86_64 = {"avx2": AVX2, "avx_vnni": AVX2, "avx512_vnni": AVX512_VNNI, "amx": AVX512_VNNI}
ARM64 = {name: [f"-march=armv8.2-a+{name}"] for name in ("dotprod", "i8mm")}
SETS = {"x86_64": X86_64, "aarch64": ARM64, "arm64": ARM64}
"""The instruction sets that each architecture, as Linux or macOS names it, may have: sources in ``isa``, and the flags
that they are compiled with. Nothing else is compiled with them: ``dispatch.c`` checks the CPU before it calls a set. A
set that the compiler does not know is left out."""
FLAGS = [
    "-std=c11",
    "-O3",
    "-ffp-contract=off",  # a product and a sum are one operation where the source says so: results are the source's
    "-fno-math-errno",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-pthread",
]
LINK = {
    "linux": [
        "-shared",
        "-Wl,-z,nodelete",  # sessions may refer to its functions until the process ends
        "-Wl,-z,defs",
    ],
    "darwin": ["-dynamiclib"],  # Python, which loads it before a session does, never unloads a library
}
"""What makes a library of the objects, by ``sys.platform``."""


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
        build_data["tag"] = f"py3-none-{_platform()}"


def compile_library(sources: Path, library: Path) -> str:
    """Compile the sources; returns an empty string, or the reason why there is no library."""
    if os.environ.get(SKIP):
        return f"{SKIP} is set"
    sets, link = SETS.get(platform.machine()), LINK.get(sys.platform)
    if sets is None or link is None:
        return "they are for Linux and macOS on x86-64 and ARM64"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        objects = Path(folder)
        _, reason = compile_objects(compiler, sources, objects, sets)
        if reason:
            return reason
        built = objects / library.name  # renamed when complete: a process may have loaded the old one
        if reason := _run(
            [*compiler, *link, "-pthread", *map(str, sorted(objects.glob("*.o"))), "-lm", "-o", str(built)]
        ):
            return reason
        built.replace(library)
    return ""


def compile_objects(
    compiler: list[str], sources: Path, objects: Path, sets: dict[str, list[str]]
) -> tuple[list[str], str]:
    """Compile each source; returns the instruction sets that the compiler knows, and the reason why it failed."""
    known = [name for name, flags in sets.items() if not _compile(compiler, sources / f"isa/{name}.c", objects, flags)]
    macros = [f"-DHAS_{name.upper()}" for name in known]
    for source in [*sorted(sources.glob("*.c")), sources / "isa/scalar.c"]:
        if reason := _compile(compiler, source, objects, macros):
            return known, reason
    return known, ""


def _platform() -> str:
    """Name this system in a wheel's tag: macOS's Python may be for two architectures, of which one is compiled here."""
    if sys.platform == "darwin":
        return next(mac_platforms())
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _compile(compiler: list[str], source: Path, objects: Path, flags: list[str]) -> str:
    return _run([*compiler, *FLAGS, *flags, "-c", str(source), "-o", str(objects / f"{source.stem}.o")])


def _run(command: list[str]) -> str:
    """Run a compiler; returns an empty string, or its error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the builder's own compiler
    except OSError as error:
        return f"no C compiler ({error})"
    return f"{command[0]} failed ({' '.join(done.stderr.split())[:500]})" if done.returncode else ""
