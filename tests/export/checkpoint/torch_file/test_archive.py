"""Tensors of a torch file come out as they were saved; a file that was tampered with is refused."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import add_dense, make_checkpoint
from embed_plugin import ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from support.torch_files import entries_of, listing, save_torch_file, tensor, write_entries

FP32 = ExportSettings(precision="fp32")
VALUES = np.arange(12, dtype="<f4").reshape(3, 4)


def write_one(path: Path, made: bytes, data: bytes = VALUES.tobytes()) -> Path:
    """A file of one tensor ``a``, made as these instructions say."""
    return write_entries(path, {"data.pkl": listing({"a": made}), "data/0": data})


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<f8"])
def test_every_float_format_is_read_as_float32(tmp_path: Path, dtype: str) -> None:
    path = save_torch_file({"a": VALUES.astype(dtype), "b": np.array(2.5, dtype)}, tmp_path / "x.bin")
    assert tensor_names(path) == ["a", "b"]
    np.testing.assert_array_equal(read_tensor(path, "a"), VALUES)
    assert read_tensor(path, "b") == np.float32(2.5)
    assert read_tensor(path, "a").dtype == np.float32


def test_a_file_that_torch_saved() -> None:
    """torch 2.13: rows of a table, its transpose in the same storage, and the other float formats."""
    path = Path(__file__).parents[2] / "references" / "saved_by_torch.bin"
    expected = {"rows": VALUES, "columns": VALUES.T, "half": VALUES[0], "bfloat16": VALUES[1], "double": VALUES[2]}
    assert tensor_names(path) == [*expected, "ids"]
    for name, values in expected.items():
        np.testing.assert_array_equal(read_tensor(path, name), values)


def test_bfloat16_is_widened_without_a_change(tmp_path: Path) -> None:
    path = save_torch_file({"a": np.array([0x3FC0, 0xC000, 0x0001], "<u2")}, tmp_path / "x.bin")
    np.testing.assert_array_equal(read_tensor(path, "a"), np.array([1.5, -2.0, 2.0**-133], np.float32))


@pytest.mark.parametrize(
    ("first", "shape", "strides", "expected"),
    [
        (0, (4, 3), (1, 4), VALUES.T),
        (5, (2, 2), (4, 1), VALUES[1:, 1:3]),
        (3, (3,), (4,), VALUES[:, 3]),
        (12, (0, 4), (4, 1), VALUES[3:]),
    ],
)
def test_a_view_of_a_storage(
    tmp_path: Path, first: int, shape: tuple[int, ...], strides: tuple[int, ...], expected: np.ndarray
) -> None:
    path = write_one(tmp_path / "x.bin", tensor("FloatStorage", "0", 12, first, shape, strides))
    np.testing.assert_array_equal(read_tensor(path, "a"), expected)


@pytest.mark.parametrize(
    "made",
    [
        tensor("FloatStorage", "0", 12, 1, (3, 4), (4, 1)),
        tensor("FloatStorage", "0", 12, 0, (3, 5), (4, 1)),
        tensor("FloatStorage", "0", 12, 0, (2**40, 2**40), (0, 0)),
        tensor("FloatStorage", "0", 12, 0, (2,), (2**61,)),
        tensor("FloatStorage", "0", 12, 2**61, (), ()),
        tensor("FloatStorage", "0", 13, 0, (13,), (1,)),
        tensor("DoubleStorage", "0", 12, 0, (12,), (1,)),
        tensor("FloatStorage", "1", 12, 0, (12,), (1,)),
        tensor("FloatStorage", "../data.pkl", 2, 0, (2,), (1,)),
    ],
)
def test_a_tensor_that_does_not_lie_in_its_storage_is_refused(tmp_path: Path, made: bytes) -> None:
    path = write_one(tmp_path / "x.bin", made)
    with pytest.raises(SourceError, match=r"x\.bin is not read: tensor 'a' has .*sentence_transformers"):
        tensor_names(path)


def test_integers_are_listed_and_refused_when_they_are_read(tmp_path: Path) -> None:
    path = save_torch_file({"ids": np.arange(3, dtype="<i8")}, tmp_path / "x.bin")
    assert tensor_names(path) == ["ids"]
    with pytest.raises(ExportError, match="tensor ids is I64"):
        read_tensor(path, "ids")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = save_torch_file({"a": np.array([np.nan], "<f4")}, tmp_path / "x.bin")
    with pytest.raises(ExportError, match="tensor a holds NaN"):
        read_tensor(path, "a")


def test_a_compressed_entry_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    entries = entries_of({"a": np.zeros(1_000_000, "<f4")})
    path = write_entries(tmp_path / "x.bin", entries, compression=ZIP_DEFLATED)
    with pytest.raises(SourceError, match=r"its entry 'data\.pkl' is compressed"):
        tensor_names(path)


def test_a_pickle_without_an_archive_is_told_the_command(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    with pytest.raises(SourceError, match=r"no zip archive.*before 1\.6.*SentenceTransformer as S; S\('.*'\)\.save"):
        tensor_names(tmp_path / "x.bin")


def test_a_pointer_of_git_lfs_is_told_what_helps(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SourceError, match="run  git lfs pull"):
        tensor_names(tmp_path / "x.bin")


def damage(path: Path, before: bytes, after: bytes) -> Path:
    """Replace the first occurrence of some bytes by as many others."""
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))
    return path


def test_an_entry_whose_own_header_has_another_name_is_refused(tmp_path: Path) -> None:
    path = save_torch_file({"a": VALUES}, tmp_path / "x.bin")
    with pytest.raises(SourceError, match=r"'archive/data/0' is not where the list of entries says"):
        tensor_names(damage(path, b"archive/data/0", b"archive/data/1"))


def test_an_archive_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = save_torch_file({"a": VALUES}, tmp_path / "x.bin")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match="no readable archive"):
        tensor_names(path)


def test_big_endian_numbers_are_refused(tmp_path: Path) -> None:
    path = write_entries(tmp_path / "x.bin", entries_of({"a": VALUES}) | {"byteorder": b"big"})
    with pytest.raises(SourceError, match="big-endian"):
        tensor_names(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("added", ["archive/data/0", "other/data/1", "loose"])
def test_another_layout_of_entries_is_refused(tmp_path: Path, added: str) -> None:
    path = save_torch_file({"a": VALUES}, tmp_path / "x.bin")
    with ZipFile(path, "a") as archive:
        archive.writestr(added, b"x")
    with pytest.raises(SourceError, match=r"expected one folder with data\.pkl"):
        tensor_names(path)


def test_a_checkpoint_of_torch_files_is_exported_as_its_safetensors_are(tmp_path: Path) -> None:
    safe, torch = (add_dense(make_checkpoint(tmp_path / name), 32, 16) for name in ("safe", "torch"))
    for folder in (torch, torch / "2_Dense"):
        weights = load_file(folder / "model.safetensors")
        ids = {"embeddings.position_ids": np.arange(9)} if folder == torch else {}
        save_torch_file(ids | weights, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    files = [export(str(folder), tmp_path / f"{folder.name}-model", FP32).files for folder in (safe, torch)]
    assert files[0] == files[1]


def test_safetensors_win_over_a_torch_file(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "pytorch_model.bin").write_bytes(b"not read")
    assert export(str(checkpoint), tmp_path / "model", FP32).dimension == 32


def test_shards_are_one_set_of_weights(tmp_path: Path) -> None:
    whole, split = (make_checkpoint(tmp_path / name) for name in ("whole", "split"))
    weights = sorted(load_file(split / "model.safetensors").items())
    (split / "model.safetensors").unlink()
    files = {f"pytorch_model-0000{number}-of-00002.bin": weights[number - 1 :: 2] for number in (1, 2)}
    for name, part in files.items():
        save_torch_file(dict(part), split / name)
    weight_map = {given: name for name, part in files.items() for given, _ in part}
    (split / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    made = [export(str(folder), tmp_path / f"{folder.name}-model", FP32).files for folder in (whole, split)]
    assert made[0] == made[1]
