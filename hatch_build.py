"""Compile the operators in ``src/embed_plugin/kernels`` when the package is built, where that is possible.

They are optional: without a C compiler, or on another system than Linux, macOS and Windows on x86-64 and ARM64, the
package is built without them, and keeps the reason in ``no_library.txt``.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import mac_platforms

SOURCES = Path("src/embed_plugin/kernels")
LIBRARY = SOURCES / ("kernels.dll" if sys.platform == "win32" else "kernels.so")
NO_LIBRARY = SOURCES / "no_library.txt"
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
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
]
"""What every source is compiled with, on every system."""

WINDOWS_GCC = ["-Wa,-muse-unaligned-vector-move", "-DUNALIGNED_MOVES"]
"""Without them, gcc's vectors on Windows' stack end the program: ``isa/stack.h``. clang does not know the first."""


class System(NamedTuple):
    """How one system, by ``sys.platform``, compiles a source and links a library."""

    compile: list[str]
    link: list[str]
    libraries: list[str]
    sets: list[list[str]]  # more flags for an instruction set: the first that the compiler knows


SYSTEMS = {
    "linux": System(
        ["-fPIC", "-pthread"],
        # Sessions may refer to its functions until the process ends: it is never unloaded.
        ["-shared", "-Wl,-z,nodelete", "-Wl,-z,defs", "-pthread"],
        ["-lm"],
        [[]],
    ),
    # On the others Python, which loads it before a session does, never unloads a library.
    "darwin": System(["-fPIC", "-pthread"], ["-dynamiclib", "-pthread"], ["-lm"], [[]]),
    "win32": System([], ["-shared", "-static-libgcc"], [], [WINDOWS_GCC, []]),
}
WINDOWS_PYTHONS = {"win-amd64": "x86_64", "win-arm64": "aarch64"}
MACHINES_IN_DLLS = {"x86_64": 0x8664, "aarch64": 0xAA64}


class Target(NamedTuple):
    """What is compiled for: ``sys.platform``, and a machine as :data:`SETS` names it."""

    system: str
    machine: str


class KernelsHook(BuildHookInterface[Any]):
    """Adds the library to a wheel, or to the source folder of an editable installation."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling: zig, if it is the compiler asked for by its PyPI name."""
        return ["ziglang"] if {"python-zig", "ziglang"}.intersection(map(_program, named_compiler())) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - standard and editable alike
        """Compile the library and tag the wheel for this platform; without a library leave it a pure Python one."""
        library, without = (Path(self.root) / path for path in (LIBRARY, NO_LIBRARY))
        _remove(library)  # of an earlier build: a pure Python wheel must not contain it
        _remove(without)
        reason = compile_library(Path(self.root) / SOURCES, library)
        if reason:
            without.write_text(f"{reason}\n", encoding="utf-8")
            build_data["artifacts"].append(NO_LIBRARY.as_posix())
            self.app.display_warning(f"embed-plugin is built without its own CPU kernels: {reason}")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"


def target_of_this_python() -> Target:
    """Return what this Python runs on: on Windows what it was built for, as ARM64 runs Pythons for x86-64 too."""
    machine = WINDOWS_PYTHONS.get(sysconfig.get_platform(), "") if sys.platform == "win32" else platform.machine()
    return Target(sys.platform, machine)


def compilers(target: Target) -> list[list[str]]:
    """Return the compilers to try, in order: the one in ``CC``, or the system's; Windows has none of its own."""
    zig = ["-target", f"{target.machine}-windows-gnu"]  # without it zig compiles for this very CPU
    if named := named_compiler():
        return [[*named, *zig] if target.system == "win32" and is_zig(named) and "-target" not in named else named]
    if target.system != "win32":
        return [["cc"]]
    return [["clang"], ["gcc"], ["zig", "cc", *zig], [sys.executable, "-m", "ziglang", "cc", *zig]]


def named_compiler() -> list[str]:
    """Return the words of ``CC``; a path on Windows keeps its backslashes."""
    named = os.environ.get("CC", "")
    if sys.platform == "win32":
        return [word.strip('"') for word in shlex.split(named, posix=False)]
    return shlex.split(named)


def is_zig(compiler: list[str]) -> bool:
    """Tell if a command is ``zig cc``, ``python-zig cc`` or ``python -m ziglang cc``."""
    return compiler[-1] == "cc" and any(word in {"zig", "python-zig", "ziglang"} for word in map(_program, compiler))


def _program(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name.removesuffix(".exe")


def compile_library(sources: Path, library: Path, *, target: Target | None = None) -> str:
    """Compile the sources; returns an empty string, or the reason why there is no library."""
    target = target or target_of_this_python()
    if os.environ.get(SKIP):
        return f"{SKIP} is set"
    if target.machine not in SETS or target.system not in SYSTEMS:
        return "they are for Linux, macOS and Windows on x86-64 and ARM64"
    reasons = []
    for compiler in compilers(target):
        if not (reason := _compile_with(compiler, sources, library, target)):
            return ""
        reasons.append(reason)
    return "; ".join(reasons)


def _compile_with(compiler: list[str], sources: Path, library: Path, target: Target) -> str:
    system = SYSTEMS[target.system]
    with tempfile.TemporaryDirectory(dir=sources) as folder:
        objects = Path(folder)
        _, reason = compile_objects(compiler, sources, objects, SETS[target.machine], system=target.system)
        if reason:
            return reason
        built = objects / library.name  # renamed when complete: a process may have loaded the old one
        inputs = [*map(str, sorted(objects.glob("*.o"))), *system.libraries]
        if reason := _run([*compiler, *system.link, *inputs, "-o", str(built)]):
            return reason
        if target.system == "win32" and machine_in_dll(built) != MACHINES_IN_DLLS[target.machine]:
            return f"{compiler[0]} compiles for another machine than this Python's, {target.machine}"
        return _replace(built, library)


def machine_in_dll(library: Path) -> int:
    """Return the machine in a DLL's header, which is where the four bytes at 60 say, after its signature."""
    content = library.read_bytes()
    header = int.from_bytes(content[60:64], "little")
    return int.from_bytes(content[header + 4 : header + 6], "little")


def compile_objects(
    compiler: list[str], sources: Path, objects: Path, sets: dict[str, list[str]], *, system: str = sys.platform
) -> tuple[list[str], str]:
    """Compile each source; returns the instruction sets that the compiler knows, and the reason why it failed."""
    base = [*compiler, *FLAGS, *SYSTEMS[system].compile]
    known = []
    for name, flags in sets.items():
        ways = [[*base, *way] for way in ways_to_say(flags, system)]
        if any(not _compile(way, sources / f"isa/{name}.c", objects) for way in ways):
            known.append(name)
    macros = [f"-DHAS_{name.upper()}" for name in known]
    for source in [*sorted(sources.glob("*.c")), sources / "isa/scalar.c"]:
        if reason := _compile([*base, *macros], source, objects):
            return known, reason
    return known, ""


def ways_to_say(flags: list[str], system: str) -> list[list[str]]:
    """Return the flags of an instruction set as each compiler knows them; zig has no ``-march`` for ARM64."""
    zigs = [flag.replace("-march=armv8.2-a", "-mcpu=generic") for flag in flags]
    return [[*way, *more] for way in ([flags, zigs] if zigs != flags else [flags]) for more in SYSTEMS[system].sets]


def _platform() -> str:
    """Name this system in a wheel's tag: macOS's Python may be for two architectures, of which one is compiled here."""
    if sys.platform == "darwin":
        return next(mac_platforms())
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _compile(command: list[str], source: Path, objects: Path) -> str:
    return _run([*command, "-c", str(source), "-o", str(objects / f"{source.stem}.o")])


def _run(command: list[str]) -> str:
    """Run a compiler; returns an empty string, or its error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - the builder's own compiler
    except OSError as error:
        return f"no C compiler ({error})"
    return f"{command[0]} failed ({' '.join(done.stderr.split())[:500]})" if done.returncode else ""


def _replace(built: Path, library: Path) -> str:
    """Put the library in its place; returns the reason why that cannot be: Windows keeps a file that is in use."""
    try:
        built.replace(library)
    except PermissionError as error:
        return f"{library} cannot be replaced ({error}): end the programs that use it, and install again"
    return ""


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        problem = f"{path} of the installed version cannot be removed ({error})"
        raise PermissionError(f"{problem}: end the programs that use it, and install again") from error
