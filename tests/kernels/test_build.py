from __future__ import annotations

import os
import platform
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from embed_plugin.cpu.classes import CLASSES

ROOT = Path(__file__).parents[2]
LIBRARY = "embed_plugin/kernels/kernels.so"
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


def test_it_is_compiled_for_the_flags_of_the_least_class_that_loads_it() -> None:
    instructions = runpy.run_path(str(ROOT / "hatch_build.py"))["INSTRUCTIONS"]
    assert set(instructions) == {flag.replace("_", "") for flag in CLASSES["avx512-bf16"].flags}


@compiles
def test_a_wheel_brings_the_library(project: Path) -> None:
    wheel, _ = build(project)
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    assert LIBRARY in names
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


@compiles
def test_an_assembler_that_does_not_know_amx_builds_the_rest(project: Path) -> None:
    compiler = project / "old-cc"
    compiler.write_text(
        '#!/bin/sh\ncase "$*" in *-DWITHOUT_TILES*) exec cc "$@" ;; esac\necho no such instruction >&2; exit 1\n'
    )
    compiler.chmod(0o755)
    wheel, printed = build(project, CC=str(compiler))
    assert LIBRARY in zipfile.ZipFile(wheel).namelist()
    assert "without its own CPU kernels" not in printed


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
