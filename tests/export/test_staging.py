from __future__ import annotations

import ctypes
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from embed_plugin import ExportError
from embed_plugin.export.staging import staged_folder
from embed_plugin.model.folder import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path


RUNNING, ENDED, DENIED = 100, 200, 300


class OpenProcess:
    """Windows' call, for three processes: one runs, one has ended, one may not be asked for."""

    restype: type[ctypes.c_void_p] | None = None

    def __call__(self, access: int, inherit: bool, process: int) -> int | None:  # noqa: ARG002, FBT001
        return None if process == DENIED else process


def test_windows_is_asked_for_a_process_and_never_sends_it_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = SimpleNamespace(
        OpenProcess=OpenProcess(),
        WaitForSingleObject=lambda handle, _: 0x102 if handle.value == RUNNING else 0,
        CloseHandle=lambda _: None,
    )
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 5, raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    for process in (RUNNING, ENDED, DENIED):
        (tmp_path / f".model.{process}.partial").mkdir()
    with staged_folder(tmp_path / "model", overwrite=False):
        pass
    left = {path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")}
    assert left == {f".model.{process}.partial" for process in (RUNNING, DENIED)}


def test_a_model_stays_if_the_new_one_cannot_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows while a program looks into the new folder."""
    out = tmp_path / "model"
    out.mkdir()
    (out / MANIFEST).write_text("old")
    rename = type(out).rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise PermissionError(13, "Access is denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(type(out), "rename", refuse)
    with pytest.raises(ExportError, match="Access is denied"), staged_folder(out, overwrite=True) as folder:
        (folder / MANIFEST).write_text("new")
    assert (out / MANIFEST).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
