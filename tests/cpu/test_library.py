from __future__ import annotations

import _ctypes
import sys
from pathlib import Path

import pytest

from embed_plugin.cpu.classes import CLASSES
from embed_plugin.cpu.features import CPUINFO, cpu_flags, linux_flags
from embed_plugin.cpu.library import LIBRARY, library_flags

needs_library = pytest.mark.skipif(not LIBRARY.is_file(), reason="the kernels were not built")


@needs_library
@pytest.mark.skipif(sys.platform != "linux", reason="compares with Linux's /proc/cpuinfo")
def test_the_cpu_says_of_itself_what_linux_says_of_it() -> None:
    of_classes = frozenset[str]().union(*(each.flags for each in CLASSES.values()))
    assert library_flags(LIBRARY) == linux_flags(CPUINFO) & of_classes


@needs_library
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS is asked by sysctl")
def test_it_is_asked_before_proc_cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator shows the /proc/cpuinfo of its host."""
    if not library_flags(LIBRARY):
        pytest.skip("this CPU has none of the flags, so the list of the system is taken")
    (tmp_path / "cpuinfo").write_text("flags : amx_of_the_host\n")
    monkeypatch.setattr("embed_plugin.cpu.features.CPUINFO", tmp_path / "cpuinfo")
    assert cpu_flags() == library_flags(LIBRARY)


def test_without_it_the_flags_are_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("flags : avx2 fma\n")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("embed_plugin.cpu.features.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("embed_plugin.cpu.features.LIBRARY", tmp_path / "kernels.so")
    assert cpu_flags() == {"avx2", "fma"}


def test_a_file_that_cannot_be_loaded_or_does_not_tell_has_no_flags(tmp_path: Path) -> None:
    (tmp_path / "damaged.so").write_bytes(b"no library")
    assert library_flags(tmp_path / "absent.so") == set()
    assert library_flags(tmp_path / "damaged.so") == set()
    if hasattr(_ctypes, "__file__"):
        assert library_flags(Path(_ctypes.__file__)) == set()  # some other library, as one of an older version is
