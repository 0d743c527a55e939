"""--model, --sparse and --late that name one folder of several kinds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin import CombinedEncoder, Encoder, ModelFolderError, SparseEncoder
from embed_plugin.cli.options.model_folders import ModelFolders
from embed_plugin.encode.kinds.one_pass import PartRuntime
from support.command_line import run
from support.sparse_checkpoints import exported_m3

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_m3(tmp_path_factory.mktemp("m3"))


def test_ingest_search_and_verify_take_one_folder_for_all(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text('{"id": "cat", "text": "the cat sat"}\n{"id": "dog", "text": "a dog ran"}\n')
    place = ("--model", folder, "--to", tmp_path / "qdrant", "--collection", "notes")
    others = ("--sparse", folder, "--late", folder)
    done = run("ingest", source, *place, *others, "--json", "-")
    assert (done.returncode, json.loads(done.stdout)["embedded"]) == (0, 2), done.stderr
    found = run("search", "the cat sat", *place, *others, "--hybrid", "--explain", "--json", "-")
    assert {"dense", "late"} <= set(json.loads(found.stdout)[0]["places"])
    assert run("verify", *place, *others).returncode == 0


def test_one_folder_is_loaded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = CombinedEncoder.load

    def load_and_note(name: str) -> CombinedEncoder:
        loads.append(name)
        return load(name)

    monkeypatch.setattr(CombinedEncoder, "load", load_and_note)
    linked = Path(str(folder) + "/../" + folder.name)
    models = ModelFolders(str(folder), str(linked), folder)
    settings, encoder = models.settings(), models.encoder()
    parts = encoder, settings.sparse_model, settings.late
    assert all(isinstance(part.runtime, PartRuntime) for part in parts)  # type: ignore[union-attr]
    assert len({id(part.runtime.queue) for part in parts}) == 1  # type: ignore[union-attr]
    assert loads == [str(folder)]


def test_a_copy_of_the_folder_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    models = ModelFolders(str(folder), str(copied))
    assert models.settings().sparse_model is models._combined[1].sparse  # type: ignore[union-attr]
    assert models.encoder().fingerprint == SparseEncoder.load(copied).fingerprint


def test_other_folders_are_loaded_by_themselves(folder: Path, tiny_model: Callable[..., Path]) -> None:
    models = ModelFolders(str(tiny_model()), str(folder), folder)
    settings = models.settings()
    assert isinstance(settings.late.runtime, PartRuntime)  # type: ignore[union-attr]
    encoder = models.encoder()
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder.runtime, PartRuntime)
    with pytest.raises(ModelFolderError, match="is an embedding model, expected a sparse encoder"):
        ModelFolders(str(tiny_model()), str(tiny_model())).settings()
    with pytest.raises(ModelFolderError, match="nowhere"):
        ModelFolders("nowhere", "nowhere").settings()
