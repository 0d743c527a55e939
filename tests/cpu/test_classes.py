from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.cpu import classes, detect_class
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE, classes_of

if TYPE_CHECKING:
    from pathlib import Path

AVX2 = "fpu sse4_1 avx fma avx2"
AVX512 = f"{AVX2} avx512f avx512dq avx512bw avx512vl"
BF16 = f"{AVX512} avx_vnni avx512_vnni avx512_bf16"


@pytest.mark.parametrize(
    ("family", "flags", "expected", "saturates"),
    [
        ("x86-64", f"{BF16} amx_tile amx_int8 amx_bf16", "amx", False),
        ("x86-64", f"{BF16} amx_tile amx_int8", "avx512-bf16", False),
        ("x86-64", BF16, "avx512-bf16", False),
        ("x86-64", f"{AVX512} avx512_vnni", "avx512-vnni", False),
        ("x86-64", f"{AVX2} avx_vnni", "avx-vnni", False),
        ("x86-64", AVX512, "avx512", True),
        ("x86-64", f"{AVX512} avx_vnni", "avx512", True),
        ("x86-64", f"{AVX2} avx512f avx512_vnni", "avx2", True),
        ("x86-64", AVX2, "avx2", True),
        ("x86-64", "avx avx2", "x86-64", True),
        ("x86-64", "", "x86-64", True),
        ("arm64", "fp asimd asimddp i8mm", "i8mm", False),
        ("arm64", "fp asimd asimddp", "dotprod", False),
        ("arm64", "fp asimd", "arm64", False),
        ("riscv64", "", "riscv64", False),
    ],
)
def test_the_best_class_follows_the_flags(family: str, flags: str, expected: str, *, saturates: bool) -> None:
    best = classes_of(family, set(flags.split()))[-1]
    assert (best.name, best.saturates) == (expected, saturates)


@pytest.fixture
def zen5(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A CPU with AVX-512 BF16, AVX-VNNI and no AMX."""
    monkeypatch.setattr(classes, "cpu_family", lambda: "x86-64")
    monkeypatch.setattr(classes, "cpu_flags", lambda: set(BF16.split()))
    monkeypatch.delenv(INSTRUCTION_SET_VARIABLE, raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["x86-64", "avx2", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16"])
def test_a_class_can_be_asked_for(zen5: pytest.MonkeyPatch, name: str) -> None:
    zen5.setenv(INSTRUCTION_SET_VARIABLE, name)
    assert detect_class().name == name


@pytest.mark.parametrize("name", ["amx", "i8mm", "AVX2", "avx2 ", "fast"])
def test_a_class_that_the_cpu_lacks_is_refused(zen5: pytest.MonkeyPatch, name: str) -> None:
    zen5.setenv(INSTRUCTION_SET_VARIABLE, name)
    with pytest.raises(InvalidInputError, match=rf"{INSTRUCTION_SET_VARIABLE} is '{name}', .*CPU \(avx512-bf16\)"):
        detect_class()


def test_an_empty_variable_asks_for_nothing(zen5: pytest.MonkeyPatch) -> None:
    zen5.setenv(INSTRUCTION_SET_VARIABLE, "")
    assert detect_class().name == "avx512-bf16"


@pytest.mark.parametrize("family", ["x86-64", "arm64", "riscv64"])
def test_scalar_is_the_least_class_of_any_family(zen5: pytest.MonkeyPatch, family: str) -> None:
    zen5.setattr(classes, "cpu_family", lambda: family)
    zen5.setenv(INSTRUCTION_SET_VARIABLE, "scalar")
    assert (detect_class().name, detect_class().flags) == (family, frozenset())


def test_windows_without_own_kernels_is_taken_for_a_cpu_that_saturates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "win-amd64")
    monkeypatch.setattr("embed_plugin.cpu.features.LIBRARY", tmp_path / "kernels.dll")
    monkeypatch.setattr("embed_plugin.cpu.features.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.delenv(INSTRUCTION_SET_VARIABLE, raising=False)
    assert (detect_class().name, detect_class().saturates) == ("x86-64", True)
