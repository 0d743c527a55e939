from __future__ import annotations

import platform
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from embed_plugin.cpu.features import apple_flags, cpu_family, cpu_flags, linux_flags

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fma avx2\nvmx flags\t: vnmi\n\nflags\t\t: other\n", {"fma", "avx2"}),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n", {"fp", "asimd", "asimddp"}),
        ("processor\t: 0\n", set()),
        ("", set()),
    ],
)
def test_linux_lists_the_flags_of_each_cpu(tmp_path: Path, content: str, flags: set[str]) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    assert linux_flags(tmp_path / "cpuinfo") == flags


def test_no_cpuinfo_is_no_flags(tmp_path: Path) -> None:
    assert linux_flags(tmp_path / "cpuinfo") == set()


@pytest.mark.parametrize(
    ("sysctl", "flags"),
    [
        ("hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 1\n", {"asimddp", "i8mm"}),
        ("hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\n", {"asimddp"}),
        ("hw.optional.fma: 1\nhw.optional.avx2_0: 1\nhw.optional.avx512f: 0\n", {"fma", "avx2"}),
        ("", set()),
    ],
)
def test_macos_names_the_same_flags(sysctl: str, flags: set[str]) -> None:
    assert apple_flags(sysctl) == flags


@pytest.mark.parametrize(("machine", "family"), [("AMD64", "x86-64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_a_family_has_one_name(monkeypatch: pytest.MonkeyPatch, machine: str, family: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert cpu_family() == family


@pytest.mark.parametrize(("python", "family"), [("win-amd64", "x86-64"), ("win-arm64", "arm64")])
def test_on_windows_the_family_is_what_python_was_built_for(
    monkeypatch: pytest.MonkeyPatch, python: str, family: str
) -> None:
    """A Python for x86-64 runs on ARM64 too, with the instructions of x86-64."""
    monkeypatch.setattr(sysconfig, "get_platform", lambda: python)
    monkeypatch.setattr(platform, "machine", lambda: "ARM64")
    assert cpu_family() == family


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/cpuinfo")
def test_this_machine_has_flags() -> None:
    assert cpu_flags()
