from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from embed_plugin.collection_identity import CollectionIdentity
from embed_plugin.encode import Encoder
from embed_plugin.errors import ModelFolderError
from embed_plugin.export import ExportSettings, export
from embed_plugin.mcp.models import find_model
from embed_plugin.model.folder import read_model_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., Path]) -> Path:
    """A folder of two prepared models, and of a damaged one."""
    monkeypatch.setenv("EMBED_PLUGIN_MODELS", str(tmp_path / "models"))
    (tmp_path / "models" / "a--damaged").mkdir(parents=True)
    (tmp_path / "models" / "a--damaged" / "embed_plugin.json").write_text("{")
    for pooling in ("cls", "mean"):
        (tmp_path / "models" / f"me--{pooling}").symlink_to(tiny_model(pooling=pooling), target_is_directory=True)
    return tmp_path / "models"


def identity_of(folder: Path) -> CollectionIdentity:
    spec = read_model_folder(folder)
    return CollectionIdentity(spec.fingerprint, spec.dimension)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_prepared_model_is_found_by_its_fingerprint(prepared: Path, pooling: str) -> None:
    folder = prepared / f"me--{pooling}"
    found = find_model(identity_of(folder), (), collection="notes")
    assert (found.folder, found.dimension) == (folder, 32)


def test_a_named_folder_comes_first(prepared: Path, tiny_model: Callable[..., Path]) -> None:
    named = tiny_model(pooling="mean")
    found = find_model(identity_of(prepared / "me--mean"), (str(named), "me/cls"), collection="notes")
    assert found.folder == named


def test_a_model_that_is_not_here_is_named_with_the_remedy(prepared: Path) -> None:
    with pytest.raises(ModelFolderError) as error:
        find_model(CollectionIdentity("f" * 64, 32), ("me/cls",), collection="notes")
    message = str(error.value)
    assert message.startswith(f"no model of collection 'notes' (fingerprint {'f' * 64}, dimension 32) is among me/cls")
    assert str(prepared) in message
    assert "embed-plugin export HUB_ID" in message
    assert "--model" in message


def test_a_named_folder_that_is_none_is_refused(prepared: Path) -> None:
    with pytest.raises(ModelFolderError, match="nowhere is not a folder"):
        find_model(identity_of(prepared / "me--cls"), ("./nowhere",), collection="notes")


def test_the_model_of_shortened_vectors_is_found(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("EMBED_PLUGIN_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / "me--shortened"
    export(str(matryoshka_of(tiny_checkpoint, tmp_path)), folder, ExportSettings(min_cosine=0.9))
    identity = CollectionIdentity(Encoder.load(folder, dimension=16).fingerprint, 16)
    found = find_model(identity, (), collection="notes")
    assert (found.folder, found.dimension) == (folder, 16)


def matryoshka_of(checkpoint: Path, place: Path) -> Path:
    """A copy of the checkpoint whose configuration says that its vectors may be cut."""
    copy = place / "checkpoint"
    shutil.copytree(checkpoint, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "is_matryoshka": True}))
    return copy
