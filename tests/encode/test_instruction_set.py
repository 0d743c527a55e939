from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest

from embed_plugin.encode.instruction_set import apple_flags, classify, detect, linux_flags, saturates

if TYPE_CHECKING:
    from pathlib import Path

AVX2 = "fpu sse4_1 avx fma avx2"
AVX512 = f"{AVX2} avx512f avx512dq avx512bw avx512vl"


@pytest.mark.parametrize(
    ("machine", "flags", "expected", "inexact"),
    [
        ("x86_64", f"{AVX512} avx512_vnni", "x86-64 avx512-vnni", False),
        ("x86_64", f"{AVX512} avx_vnni avx512_vnni", "x86-64 avx512-vnni", False),
        ("x86_64", f"{AVX2} avx_vnni", "x86-64 avx-vnni", False),
        ("x86_64", AVX512, "x86-64 avx512", True),
        ("x86_64", f"{AVX512} avx_vnni", "x86-64 avx512", True),
        ("x86_64", f"{AVX2} avx512f avx512_vnni", "x86-64 avx2", True),
        ("AMD64", AVX2, "x86-64 avx2", True),
        ("x86_64", "avx avx2", "x86-64", True),
        ("x86_64", "", "x86-64", True),
        ("aarch64", "fp asimd asimddp i8mm", "arm64 i8mm", False),
        ("aarch64", "fp asimd asimddp", "arm64 dotprod", False),
        ("arm64", "fp asimd", "arm64", False),
        ("riscv64", "", "riscv64", False),
    ],
)
def test_the_class_follows_the_kernels(machine: str, flags: str, expected: str, *, inexact: bool) -> None:
    assert classify(machine, set(flags.split())) == expected
    assert saturates(expected) is inexact


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
    ("machine", "sysctl", "expected"),
    [
        ("arm64", "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 1\n", "arm64 i8mm"),
        ("arm64", "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\n", "arm64 dotprod"),
        ("x86_64", "hw.optional.fma: 1\nhw.optional.avx2_0: 1\nhw.optional.avx512f: 0\n", "x86-64 avx2"),
        ("x86_64", "", "x86-64"),
    ],
)
def test_macos_names_the_same_flags(machine: str, sysctl: str, expected: str) -> None:
    assert classify(machine, apple_flags(sysctl)) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/cpuinfo")
def test_this_machine_has_a_class() -> None:
    family = {"x86_64": "x86-64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    assert detect().split()[0] == family
