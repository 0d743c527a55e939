"""MinGW and zig build the library for Windows, and its arithmetic gives the bits of this system, under Wine."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin import read_model_folder
from embed_plugin.cpu.classes import LEAST
from embed_plugin.kernels import LIBRARY
from embed_plugin.model.folder import KERNEL_GRAPH
from kernels.test_other_cpus import BUILD, KERNELS, NATIVE, compile_program, hashes, natively, needs
from support.one_operator import needs_library

if TYPE_CHECKING:
    from collections.abc import Callable

MINGW, WINE = "x86_64-w64-mingw32-gcc", "wine"
MODEL_BITS = Path(__file__).with_name("model_bits.c")
ONNXRUNTIME = "WINDOWS_ONNXRUNTIME"
EXPORTS = {"RegisterCustomOps", "embed_plugin_arithmetic", "embed_plugin_cpu_feature"}
OF_WINDOWS = re.compile(r"kernel32\.dll|msvcrt\.dll|ucrtbase\.dll|api-ms-win-crt-[a-z0-9-]+\.dll")


def zig() -> list[str]:
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang"]
    return [name for name in ("zig", "python-zig") if shutil.which(name)][:1]


def compiler(name: str, machine: str) -> str:
    if name == "zig":
        return " ".join([*zig(), "cc", "-target", f"{machine}-windows-gnu"])
    return MINGW


needs_zig = pytest.mark.skipif(not zig(), reason="not installed: zig (pip install ziglang)")


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        pytest.param("gcc", "x86_64", marks=needs(MINGW)),
        pytest.param("zig", "x86_64", marks=needs_zig),
        pytest.param("zig", "aarch64", marks=needs_zig),
    ],
)
def test_a_dll_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, machine: str) -> None:
    monkeypatch.setenv("CC", compiler(name, machine))
    monkeypatch.delenv(BUILD["SKIP"], raising=False)
    sources, library = shutil.copytree(KERNELS, tmp_path / "kernels"), tmp_path / "kernels.dll"
    assert BUILD["compile_library"](sources, library, target=BUILD["Target"]("win32", machine)) == ""
    assert BUILD["machine_in_dll"](library) == BUILD["MACHINES_IN_DLLS"][machine]
    if objdump := shutil.which("llvm-objdump"):
        listed = subprocess.run([objdump, "-p", library], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"0x[0-9a-f]+ +(\w+)$", listed, re.MULTILINE)) >= EXPORTS
        assert all(OF_WINDOWS.fullmatch(each.lower()) for each in re.findall(r"DLL Name: (\S+)", listed))


@needs(MINGW)
def test_a_compiler_for_another_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", MINGW)
    monkeypatch.delenv(BUILD["SKIP"], raising=False)
    monkeypatch.setitem(BUILD["SETS"], "aarch64", {})
    (tmp_path / "isa").mkdir()
    (tmp_path / "isa" / "scalar.c").write_text("__declspec(dllexport) int one(void) { return 1; }\n")
    library = tmp_path / "kernels.dll"
    reason = BUILD["compile_library"](tmp_path, library, target=BUILD["Target"]("win32", "aarch64"))
    assert reason == f"{MINGW} compiles for another machine than this Python's, aarch64"
    assert not library.exists()


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of this system's sets; AMX is asked for on Linux alone."""
    found = hashes(compile_program(tmp_path_factory.mktemp("native"), ["cc"], NATIVE))
    return {name: bits for name, bits in found.items() if name != "amx"}


@natively
@needs("cc", WINE)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="Wine runs programs of this machine's own kind")
@pytest.mark.parametrize("name", [pytest.param("gcc", marks=needs(MINGW)), pytest.param("zig", marks=needs_zig)])
def test_the_bits_are_those_of_this_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: dict[str, str], name: str
) -> None:
    monkeypatch.setenv("WINEDEBUG", "-all")
    sets = BUILD["SETS"]["x86_64"]
    program = compile_program(tmp_path, compiler(name, "x86_64").split(), sets, "-static", system="win32")
    assert hashes(WINE, program) == dict.fromkeys(native, native[LEAST])


def compile_model_bits(folder: Path, compiler: str, *libraries: str) -> Path:
    program = folder / f"model_bits_{compiler}.exe"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type", "-D_GNU_SOURCE"]
    command = [compiler, *flags, "-I", str(KERNELS), str(MODEL_BITS), *libraries, "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def windows_path(path: Path) -> str:
    """Return a path as Wine's programs know it."""
    return "Z:" + str(path).replace("/", "\\")


@natively
@needs_library
@needs("cc", WINE, MINGW)
@pytest.mark.skipif(
    ONNXRUNTIME not in os.environ,
    reason=f"{ONNXRUNTIME} names no folder with the DLLs of the wheels onnxruntime and msvc-runtime for Windows",
)
def test_a_model_has_the_bits_of_this_system(
    tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows' onnxruntime runs it with the DLL, in threads that end."""
    monkeypatch.setenv("CC", MINGW)
    sources, library = shutil.copytree(KERNELS, tmp_path / "kernels"), tmp_path / "kernels.dll"
    assert BUILD["compile_library"](sources, library, target=BUILD["Target"]("win32", "x86_64")) == ""
    folder, onnxruntime = tiny_model(), importlib.util.find_spec("onnxruntime")
    assert onnxruntime
    assert onnxruntime.origin
    (engine,) = Path(onnxruntime.origin).parent.glob("capi/libonnxruntime.*")
    dimension = str(read_model_folder(folder).dimension)
    here = hashes(
        compile_model_bits(tmp_path, "cc", "-ldl", "-lpthread"), engine, LIBRARY, folder / KERNEL_GRAPH, dimension
    )
    monkeypatch.setenv("WINEPATH", windows_path(Path(os.environ[ONNXRUNTIME])))
    monkeypatch.setenv("WINEDEBUG", "-all")
    given = ["onnxruntime.dll", windows_path(library), windows_path(folder / KERNEL_GRAPH), dimension]
    assert hashes(WINE, compile_model_bits(tmp_path, MINGW), *given) == here
    assert here["first"] == here["second"]


def test_windows_compilers_are_tried_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv(BUILD["SKIP"], raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    sources = shutil.copytree(KERNELS, tmp_path / "kernels")
    target = BUILD["Target"]("win32", "x86_64")
    reason = BUILD["compile_library"](sources, tmp_path / "kernels.dll", target=target)
    tried = [" ".join(each[: each.index("cc") if "cc" in each else None]) for each in BUILD["compilers"](target)]
    assert tried == ["clang", "gcc", "zig", f"{tmp_path / 'python'} -m ziglang"]
    assert reason.count("no C compiler (") == len(tried)


def test_a_path_in_cc_keeps_its_backslashes_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "win-amd64")
    monkeypatch.setenv("CC", r'"C:\Program Files\LLVM\bin\clang.exe" -g0')
    target = BUILD["target_of_this_python"]()
    assert target == ("win32", "x86_64")
    assert BUILD["compilers"](target) == [[r"C:\Program Files\LLVM\bin\clang.exe", "-g0"]]


@pytest.mark.parametrize(
    ("named", "command"),
    [
        ("python-zig cc", ["python-zig", "cc", "-target", "aarch64-windows-gnu"]),
        (r"C:\\zig\\zig.exe cc -target x86_64-windows", ["C:\\zig\\zig.exe", "cc", "-target", "x86_64-windows"]),
        ("clang -g0", ["clang", "-g0"]),
    ],
)
def test_zig_is_told_what_to_compile_for(monkeypatch: pytest.MonkeyPatch, named: str, command: list[str]) -> None:
    """Else it would compile for the CPU that it runs on."""
    monkeypatch.setenv("CC", named)
    assert BUILD["compilers"](BUILD["Target"]("win32", "aarch64")) == [command]


@pytest.mark.parametrize(("named", "needed"), [("python-zig cc", ["ziglang"]), ("gcc", []), ("", [])])
def test_a_build_by_pypis_zig_brings_it(monkeypatch: pytest.MonkeyPatch, named: str, needed: list[str]) -> None:
    monkeypatch.setenv("CC", named)
    assert BUILD["KernelsHook"].dependencies(None) == needed


def test_a_file_in_use_is_named_in_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows keeps a library that a program has loaded."""

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Access is denied", str(self), 5, str(target))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    reason = BUILD["_replace"](tmp_path / "built", tmp_path / "kernels.dll")
    assert reason.startswith(f"{tmp_path / 'kernels.dll'} cannot be replaced (")
    assert reason.endswith("end the programs that use it, and install again")
