from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from embed_plugin import kernels
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import CLASSES
from support.one_operator import needs_library, session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Simulate a machine that has everything."""
    (tmp_path / "kernels.so").touch()
    monkeypatch.setattr(kernels, "LIBRARY", tmp_path / "kernels.so")
    monkeypatch.setattr(kernels, "uses_amx", lambda _: True)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


@pytest.mark.parametrize("name", ["avx512-bf16", "amx"])
def test_it_is_found_where_everything_is_there(able: Path, name: str) -> None:
    found = kernels.choose(CLASSES[name])
    assert (found.name, found.library) == (name, able / "kernels.so")


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - {"avx512-bf16", "amx"}))
@pytest.mark.usefixtures("able")
def test_none_for_another_class(name: str) -> None:
    found = kernels.choose(CLASSES[name])
    assert (found.name, found.library) == ("onnxruntime", None)
    assert found.reason == f"own kernels need Linux and one of avx512-bf16, amx, this is {name}"


def test_none_without_the_file(able: Path) -> None:
    (able / "kernels.so").unlink()
    found = kernels.choose(CLASSES["amx"])
    assert (found.name, found.library) == ("onnxruntime", None)
    assert "without a C compiler" in found.reason


@pytest.mark.usefixtures("able")
def test_none_on_another_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernels.choose(CLASSES["amx"]).library is None


@pytest.mark.usefixtures("able")
def test_amx_that_linux_refuses_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "uses_amx", lambda _: False)
    assert kernels.choose(CLASSES["amx"]).name == "avx512-bf16"


@needs_library
def test_amx_is_used_where_the_class_says_so_and_not_where_another_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kernels.uses_amx(kernels.LIBRARY) is (kernels.choose(detect_class()).name == "amx")
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx512-bf16")
    assert not kernels.uses_amx(kernels.LIBRARY)


@needs_library
def test_sessions_come_and_go() -> None:
    sessions = [session("QuantisedProduct") for _ in range(20)]
    del sessions[::2]
    sessions += [session("QuantisedProduct") for _ in range(20)]
    del sessions
    session("QuantisedProduct")
