"""The arithmetic gives the same bits on ARM as on x86, by any compiler: a program prints a hash of all its results."""

from __future__ import annotations

import platform
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin import kernels
from embed_plugin.cpu.classes import CLASSES, LEAST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "src" / "embed_plugin" / "kernels"
PROGRAM = Path(__file__).with_name("arithmetic_bits.c")
CROSS, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
BUILD: dict[str, Any] = runpy.run_path(str(ROOT / "hatch_build.py"))
NATIVE = BUILD["SETS"].get(platform.machine())


def needs(*programs: str) -> pytest.MarkDecorator:
    absent = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


natively = pytest.mark.skipif(
    sys.platform not in {"linux", "darwin"} or NATIVE is None, reason="the kernels are not built for this system"
)


def compile_program(
    folder: Path, compiler: Sequence[str], sets: Mapping[str, list[str]], *flags: str, system: str = sys.platform
) -> Path:
    """Compile the program for a system; its objects must know all of the sets."""
    command = [*compiler, "-Werror", "-I", str(KERNELS)]
    known, reason = BUILD["compile_objects"](command, KERNELS, folder, sets, system=system)
    assert (known, reason) == (list(sets), "")
    program = folder / f"{PROGRAM.stem}.exe"
    base = [*command, *BUILD["FLAGS"], *BUILD["SYSTEMS"][system].compile, *flags]
    sources = [str(PROGRAM), *map(str, folder.glob("*.o")), *BUILD["SYSTEMS"][system].libraries]
    done = subprocess.run([*base, *sources, "-o", str(program)], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return program


def hashes(*command: str | Path) -> dict[str, str]:
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in printed.splitlines())


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return hashes(compile_program(tmp_path_factory.mktemp("native"), ["cc"], NATIVE))


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program for ARM, without libraries: its loader is not here."""
    return compile_program(tmp_path_factory.mktemp("arm"), [CROSS], BUILD["SETS"]["aarch64"], "-static", system="linux")


@natively
@needs("cc")
def test_all_sets_of_this_cpu_give_the_same_bits(native: dict[str, str]) -> None:
    assert list(native) == kernels.here()
    assert set(native.values()) == {native[LEAST]}


@natively
@needs("cc", "clang")
def test_clang_gives_the_same_bits_as_the_systems_compiler(tmp_path: Path, native: dict[str, str]) -> None:
    assert hashes(compile_program(tmp_path, ["clang"], NATIVE)) == native


@natively
@needs("cc", CROSS, EMULATOR)
@pytest.mark.parametrize(
    ("cpu", "sets"),
    [("cortex-a57", ["scalar"]), ("cortex-a76", ["scalar", "dotprod"]), ("max", ["scalar", "dotprod", "i8mm"])],
)
def test_arm_gives_the_same_bits(native: dict[str, str], arm: Path, cpu: str, sets: list[str]) -> None:
    assert hashes(EMULATOR, "-cpu", cpu, arm) == dict.fromkeys(sets, native[LEAST])


@needs(CROSS)
def test_the_library_is_built_where_linux_is_on_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setenv("CC", CROSS)
    monkeypatch.delenv(BUILD["SKIP"], raising=False)
    sources = shutil.copytree(KERNELS, tmp_path / "kernels")
    assert BUILD["compile_library"](sources, tmp_path / "built.so") == ""
    assert (tmp_path / "built.so").read_bytes()[18:20] == b"\xb7\0"  # the machine in an ELF file's header: aarch64


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("freebsd14", "x86_64"), ("win32", "AMD64")])
def test_elsewhere_the_reason_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    """The last is a Python of 32 bits on Windows of 64."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "win32")
    monkeypatch.delenv(BUILD["SKIP"], raising=False)
    reason = BUILD["compile_library"](KERNELS, tmp_path / "built.so")
    assert reason == "they are for Linux, macOS and Windows on x86-64 and ARM64"


@pytest.mark.parametrize("machine", sorted(BUILD["SETS"]))
def test_each_set_is_a_class_of_its_family(machine: str) -> None:
    family = "x86-64" if machine == "x86_64" else "arm64"
    sets = [name.replace("_", "-") for name in BUILD["SETS"][machine]]
    assert [CLASSES[name].family for name in sets] == [family] * len(sets)
    assert set(sets) == {
        name for name in kernels.INSTRUCTION_SETS if name in CLASSES and CLASSES[name].family == family
    }
