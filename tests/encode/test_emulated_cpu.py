"""Vectors on a CPU with AVX2 and no VNNI, emulated by QEMU.

Own kernels give the same bits. onnxruntime's operators are exact if the class is known, else the canaries differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, read_model_folder
from embed_plugin.cpu.features import cpu_family
from support.one_operator import needs_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embed_plugin import Vectors

QEMU = shutil.which("qemu-x86_64")
pytestmark = [
    pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64 (Debian: qemu-user)"),
    pytest.mark.skipif(cpu_family() != "x86-64", reason="QEMU would need a Python for x86-64"),
]
TEXTS = ["the cat sat on the mat", "a dog ran fast", "how do i read a file?", "open 3 lines of text, close 4"]

# QEMU shows the host's /proc/cpuinfo. It is what is read here, as without own kernels, so the class is stated: the one
# that the CPU is of, or one it only claims to be.
SCRIPT = """
import sys
from embed_plugin import Encoder
from embed_plugin.cpu import features
features.library_flags = lambda library: set()
sys.stdout.buffer.write(Encoder.load(sys.argv[1]).encode_documents(sys.argv[2:]).tobytes())
"""


@pytest.fixture
def moved(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    folder = shutil.copytree(tiny_model(), tmp_path / "model")
    manifest = json.loads((folder / "embed_plugin.json").read_text())
    manifest["checked_on"]["platform"]["cpu"] = "another CPU"
    (folder / "embed_plugin.json").write_text(json.dumps(manifest))
    return folder


def encode_on_haswell(folder: Path, name: str) -> tuple[Vectors, str]:
    command = [str(QEMU), "-cpu", "Haswell", sys.executable, "-c", SCRIPT, str(folder), *TEXTS]
    environment = {**os.environ, "EMBED_PLUGIN_INSTRUCTION_SET": name}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return np.frombuffer(done.stdout, np.float32).reshape(len(TEXTS), -1), done.stderr.decode()


@pytest.fixture
def without_kernels(moved: Path) -> Path:
    """The folder with onnxruntime's operators alone."""
    manifest = json.loads((moved / "embed_plugin.json").read_text())
    for name in [name for name in manifest["files"] if name.startswith("model.kernels")]:
        del manifest["files"][name]
        (moved / name).unlink()
    (moved / "embed_plugin.json").write_text(json.dumps(manifest))
    return moved


def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """Vectors of this CPU with the form of the weights that the emulated one runs."""
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx2")
    return Encoder.load(folder).encode_documents(TEXTS)


@needs_library
@pytest.mark.parametrize("name", ["scalar", "avx2", "avx512-vnni"])
def test_own_kernels_give_the_same_bits_and_check_the_cpu_themselves(
    moved: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    vectors, messages = encode_on_haswell(moved, name)
    assert vectors.tobytes() == here(moved, monkeypatch).tobytes()
    assert "OtherCpuWarning" not in messages


@needs_library
def test_the_library_finds_the_class_that_is_emulated() -> None:
    """It asks the CPU, and not /proc/cpuinfo, which is the host's."""
    script = "from embed_plugin.cpu import detect_class; print(detect_class())"
    environment = {name: value for name, value in os.environ.items() if name != "EMBED_PLUGIN_INSTRUCTION_SET"}
    command = [str(QEMU), "-cpu", "Haswell", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "avx2"


def test_a_known_class_is_exact(without_kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, messages = encode_on_haswell(without_kernels, "avx2")
    assert np.sum(vectors * here(without_kernels, monkeypatch), axis=1).mean() > 0.9999
    assert "OtherCpuWarning" not in messages


def test_a_class_mistaken_for_vnni_is_noticed(without_kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, messages = encode_on_haswell(without_kernels, "avx512-vnni")
    assert np.sum(vectors * here(without_kernels, monkeypatch), axis=1).mean() < 0.998
    assert "OtherCpuWarning: this folder was checked on another CPU" in messages


def test_an_int8_export_has_the_same_fingerprint(
    tiny_checkpoint: Path, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    command = [str(QEMU), "-cpu", "Haswell", sys.executable, "-m", "embed_plugin.cli", "export", str(tiny_checkpoint)]
    options = ["--out", str(tmp_path / "model"), "--min-cosine", "0.9", "--query-prefix", "query: "]
    environment = {**os.environ, "EMBED_PLUGIN_INSTRUCTION_SET": "avx2"}
    subprocess.run([*command, *options], capture_output=True, check=True, env=environment)
    there, here = (read_model_folder(folder) for folder in (tmp_path / "model", tiny_model()))
    assert there.checked_on.platform.cpu == "avx2"
    assert there.fingerprint == here.fingerprint
