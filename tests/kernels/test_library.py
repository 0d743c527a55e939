from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest

from embed_plugin import kernels
from kernels.one_operator import needs_library, session

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = "flags\t\t: fpu fma avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_bf16\n"


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has everything."""
    (tmp_path / "kernels.so").touch()
    (tmp_path / "cpuinfo").write_text(FLAGS)
    monkeypatch.setattr(kernels, "LIBRARY", tmp_path / "kernels.so")
    monkeypatch.setattr(kernels, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def test_it_is_found_where_everything_is_there(able: Path) -> None:
    assert kernels.library() == able / "kernels.so"


@pytest.mark.parametrize("flag", FLAGS.split()[3:])
def test_none_without_a_flag(able: Path, flag: str) -> None:
    (able / "cpuinfo").write_text(FLAGS.replace(f" {flag}", ""))
    assert kernels.library() is None


def test_none_without_the_flags(able: Path) -> None:
    (able / "cpuinfo").unlink()
    assert kernels.library() is None


def test_none_without_the_file(able: Path) -> None:
    (able / "kernels.so").unlink()
    assert kernels.library() is None


@pytest.mark.usefixtures("able")
def test_none_on_another_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert kernels.library() is None
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernels.library() is None


@needs_library
def test_sessions_come_and_go() -> None:
    sessions = [session("QuantisedProduct") for _ in range(20)]
    del sessions[::2]
    sessions += [session("QuantisedProduct") for _ in range(20)]
    del sessions
    session("QuantisedProduct")
