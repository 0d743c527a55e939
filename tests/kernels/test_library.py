from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import kernels
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import CLASSES, INSTRUCTION_SET_VARIABLE, LEAST, classes_of
from embed_plugin.cpu.features import cpu_family, cpu_flags
from kernels.test_product import numbers
from support.one_operator import needs_library, run, session

if TYPE_CHECKING:
    from pathlib import Path

HERE = classes_of(cpu_family(), cpu_flags())
OTHERS = {"avx512": "avx2", "avx512-bf16": "avx512-vnni"}
"""Classes that have no arithmetic of their own, and the best they can run."""


def test_none_without_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernels, "LIBRARY", tmp_path / "kernels.so")
    monkeypatch.setattr(kernels, "NO_LIBRARY", tmp_path / "no_library.txt")
    found = kernels.choose(CLASSES["amx"])
    assert (found.name, found.library) == ("onnxruntime", None)
    assert "without a C compiler" in found.reason
    (tmp_path / "no_library.txt").write_text("gcc failed (no such instruction)\n")
    assert kernels.choose(CLASSES["amx"]).reason.endswith("has no own kernels: gcc failed (no such instruction)")


def test_a_damaged_file_is_the_reason_for_onnxruntimes_operators(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kernels.so").write_bytes(b"half a library")
    monkeypatch.setattr(kernels, "LIBRARY", tmp_path / "kernels.so")
    found = kernels.choose(CLASSES["amx"])
    assert (found.name, found.library) == ("onnxruntime", None)
    assert "the own kernels cannot be loaded (" in found.reason
    assert found.reason.endswith("install the package again")


@needs_library
def test_the_best_set_runs_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INSTRUCTION_SET_VARIABLE, raising=False)
    best = kernels.here()[-1]
    if best == LEAST:
        pytest.skip("this CPU has none of the sets")
    found = kernels.choose(detect_class())
    assert (found.name, found.library) == (best, kernels.LIBRARY)
    assert found.reason == f"the own kernels for {best}, on {HERE[-1]}"


@needs_library
def test_c_alone_runs_where_it_is_asked_for_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, HERE[0].name)
    found = kernels.choose(detect_class())
    assert (found.name, found.library) == ("onnxruntime", None)
    assert found.reason.endswith(f"{INSTRUCTION_SET_VARIABLE}=scalar gives their bits all the same")
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, LEAST)
    assert kernels.choose(detect_class()).name == LEAST


@needs_library
@pytest.mark.parametrize("name", [LEAST, *(each.name for each in HERE)])
def test_the_set_that_is_named_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, name)
    expected = OTHERS.get(name, name if name in kernels.INSTRUCTION_SETS else LEAST)
    assert kernels.arithmetic_of(kernels.LIBRARY) == expected
    if name == LEAST or expected != LEAST:
        assert kernels.choose(detect_class()).name == expected


@needs_library
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_named_set_that_this_cpu_lacks_never_runs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Python refuses such a name; C must not trust it."""
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, name)
    assert kernels.arithmetic_of(kernels.LIBRARY) in kernels.here()


@needs_library
def test_a_session_keeps_the_set_that_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    case = numbers(3, 8, 20)
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, LEAST)
    made = session("QuantisedProduct")
    expected = run(made, "QuantisedProduct", *case)[0].tobytes()
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, kernels.here()[-1])
    assert run(made, "QuantisedProduct", *case)[0].tobytes() == expected


@needs_library
def test_sessions_come_and_go() -> None:
    sessions = [session("QuantisedProduct") for _ in range(20)]
    del sessions[::2]
    sessions += [session("QuantisedProduct") for _ in range(20)]
    del sessions
    session("QuantisedProduct")
