from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.in_process import run
from embed_plugin import Encoder
from embed_plugin.errors import ModelFolderError
from embed_plugin.prepared_models import MODELS_VARIABLE, find_model_folder, is_hub_id, prepared_folder

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
def test_a_model_that_was_not_prepared_is_no_folder() -> None:
    with pytest.raises(ModelFolderError, match="other/model is not a folder"):
        Encoder.load("other/model")


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
