from __future__ import annotations

import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from embed_plugin import kernels
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from support.kernels_build import ROOT
from support.kernels_build import build as build_kernels

LIBRARY = "embed_plugin/kernels/kernels.so"
INSTRUCTION_SETS = sorted(runpy.run_path(str(ROOT / "hatch_build.py"))["SETS"]["x86_64"])
OPERATORS = {each.stem for each in (ROOT / "src/embed_plugin/kernels").glob("*.c")}
compiles = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which("cc") is None,
    reason="the kernels are built on Linux x86-64 with a C compiler",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the files that the build needs, with the library of an earlier build."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "src" / "embed_plugin" / "kernels", project / "src" / "embed_plugin" / "kernels")
    for name in (
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        ".gitignore",
        "src/embed_plugin/__init__.py",
    ):
        shutil.copy(ROOT / name, project / name)
    (project / "src" / LIBRARY).write_bytes(b"old")
    return project


def build(project: Path, target: str = "wheel", **environment: str) -> tuple[Path, str]:
    """Build a wheel or sdist; returns it and what was printed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(project / "dist")]
    environment = {**os.environ, "EMBED_PLUGIN_NO_KERNELS": "", **environment}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    (built,) = (project / "dist").iterdir()
    return built, done.stdout + done.stderr


@compiles
def test_a_wheel_brings_the_library(project: Path) -> None:
    wheel, _ = build(project)
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    assert LIBRARY in names
    assert "embed_plugin/kernels/no_library.txt" not in names
    assert not [name for name in names if name.endswith((".c", ".h"))]
    assert zipfile.ZipFile(wheel).read(LIBRARY)[:4] == b"\x7fELF"


@compiles
def test_a_wheel_from_the_sdist_brings_it_too(project: Path) -> None:
    sdist, _ = build(project, "sdist")
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".so")]
        archive.extractall(project / "unpacked", filter="data")
    (unpacked,) = (project / "unpacked").iterdir()
    wheel, _ = build(unpacked)
    assert LIBRARY in zipfile.ZipFile(wheel).namelist()


def recorder(folder: Path, refused: str = "no source", last: str = "") -> str:
    """Make a compiler that does not know one source, takes a last flag, and keeps its commands and the objects."""
    compiler, objects = folder / "recording-cc", folder / "objects"
    objects.mkdir()
    compiler.write_text(
        f"""#!/bin/sh
echo "$*" >> {folder}/commands
case "$*" in *"{refused}"*) echo no such instruction >&2; exit 1 ;; esac
cc "$@" {last} || exit
for word; do case "$word" in *.o) cp "$word" {objects} ;; esac; done
"""
    )
    compiler.chmod(0o755)
    return str(compiler)


def chosen(library: Path, name: str) -> str:
    """The set that a library runs where a class is named, in a process of its own."""
    script = "import sys; from embed_plugin.kernels import *; print(arithmetic_of(Path(sys.argv[1])))"
    environment = {**os.environ, INSTRUCTION_SET_VARIABLE: name}
    command = [sys.executable, "-c", script, str(library)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@compiles
@pytest.mark.parametrize("refused", INSTRUCTION_SETS)
def test_a_compiler_that_does_not_know_one_set_builds_the_others(tmp_path: Path, refused: str) -> None:
    library = build_kernels(tmp_path, compiler=recorder(tmp_path, f"/isa/{refused}.c", "-O1"))
    name, order = refused.replace("_", "-"), kernels.INSTRUCTION_SETS
    here = [each for each in kernels.here() if each != name]
    assert [chosen(library, each) for each in here] == here
    assert chosen(library, name) == [each for each in here if order.index(each) < order.index(name)][-1]


@compiles
def test_a_compiler_that_fails_at_the_reference_builds_nothing(project: Path) -> None:
    wheel, printed = build(project, CC=recorder(project, "/isa/scalar.c"))
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "no such instruction" in printed
    reason = zipfile.ZipFile(wheel).read("embed_plugin/kernels/no_library.txt").decode()
    assert reason.startswith(f"{project}/recording-cc failed (")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    build_kernels(folder, compiler=recorder(folder))
    return folder


@compiles
def test_only_the_sources_of_a_set_are_compiled_for_it(recorded: Path) -> None:
    commands = [line.split() for line in (recorded / "commands").read_text().splitlines()]
    compiled = {Path(words[words.index("-c") + 1]): words for words in commands if "-c" in words}
    flagged = {path.stem for path, words in compiled.items() if any(word.startswith("-m") for word in words)}
    assert flagged == set(INSTRUCTION_SETS)
    assert OPERATORS | {"scalar"} | flagged == {path.stem for path in compiled}


@compiles
@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
def test_what_runs_on_every_cpu_has_no_avx(recorded: Path) -> None:
    uses = {each.stem for each in (recorded / "objects").iterdir() if uses_avx(each)}
    assert uses == set(INSTRUCTION_SETS)


def uses_avx(compiled: Path) -> bool:
    """Tell if an object has an instruction that AVX brought: their names begin with v."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(compiled)]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "ret" in code
    return re.search(r"\tv\w+ .*%[xyz]mm", code) is not None


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"EMBED_PLUGIN_NO_KERNELS": "1"}, "EMBED_PLUGIN_NO_KERNELS is set"),
        pytest.param({"CC": "no-such-compiler"}, "no C compiler", marks=compiles),
        pytest.param({"CC": "false"}, "false failed", marks=compiles),
    ],
)
def test_without_them_the_wheel_is_for_every_machine(project: Path, environment: dict[str, str], reason: str) -> None:
    wheel, printed = build(project, **environment)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert LIBRARY not in zipfile.ZipFile(wheel).namelist()
    assert f"built without its own CPU kernels: {reason}" in printed
