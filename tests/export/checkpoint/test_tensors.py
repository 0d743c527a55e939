"""Weights of every number format that is read come out as they are; the others are named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import make_checkpoint
from embed_plugin import Encoder, ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    from pathlib import Path

FP32 = ExportSettings(precision="fp32")


def write(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    """A safetensors file, byte by byte: of formats that numpy has no type for."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


def test_bfloat16_is_widened_without_a_change(tmp_path: Path) -> None:
    halves = np.array([0x3FC0, 0xC000, 0x0001, 0x0000, 0x7F7F, 0xBE20], "<u2")
    write(tmp_path / "x", {"other": ("F32", [1], b"1234"), "a": ("BF16", [2, 3], halves.tobytes())})
    exact = [[1.5, -2.0, 2.0**-133], [0.0, 2.0**127 * 255 / 128, -0.15625]]
    np.testing.assert_array_equal(read_tensor(tmp_path / "x", "a"), np.array(exact, np.float32))


def test_a_bfloat16_checkpoint_is_exported_as_its_float32_is(tmp_path: Path) -> None:
    rounded, widened = (make_checkpoint(tmp_path / name) for name in ("rounded", "widened"))
    weights = load_file(rounded / "model.safetensors")
    halves = {name: (values.view(np.uint32) >> 16).astype("<u2") for name, values in weights.items()}
    packed = {name: ("BF16", list(values.shape), values.tobytes()) for name, values in halves.items()}
    write(rounded / "model.safetensors", packed)
    exact = {name: (values.astype(np.uint32) << 16).view(np.float32) for name, values in halves.items()}
    save_file(exact, widened / "model.safetensors")
    files = [export(str(folder), tmp_path / f"{folder.name}-model", FP32).files for folder in (rounded, widened)]
    assert files[0] == files[1]


def test_float16_is_widened(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    weights = load_file(checkpoint / "model.safetensors")
    save_file({name: values.astype(np.float16) for name, values in weights.items()}, checkpoint / "model.safetensors")
    export(str(checkpoint), tmp_path / "model", FP32)
    assert Encoder.load(tmp_path / "model").encode_documents(["the cat"]).shape == (1, 32)


@pytest.mark.parametrize("dtype", ["I8", "U8", "F8_E4M3", "F8_E5M2", "I32", "BOOL"])
def test_packed_weights_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    size = 4 if dtype == "I32" else 1
    write(tmp_path / "x", {"a.weight": (dtype, [2], bytes(2 * size))})
    with pytest.raises(ExportError, match=rf"tensor a\.weight is {dtype}, expected F32, F16, F64 or BF16.*quantised"):
        read_tensor(tmp_path / "x", "a.weight")


def test_bfloat16_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "x", {"a": ("BF16", [1], b"\xc0\x7f")})
    with pytest.raises(ExportError, match="tensor a holds NaN"):
        read_tensor(tmp_path / "x", "a")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [("version https://git-lfs.github.com/spec/v1\n", "run  git lfs pull"), ("x", "fetch it again")],
)
def test_an_unreadable_file_is_told_what_helps(tmp_path: Path, content: str, remedy: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(SourceError, match=f"x is not a readable safetensors file .*{remedy}"):
        tensor_names(tmp_path / "x")
