from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embed_plugin import Encoder, ModelFolderError, read_model_folder
from embed_plugin.model.folder import MANIFEST, write_manifest
from embed_plugin.model.identity import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model(), tmp_path / "model")


def test_a_model_of_another_kind_is_refused_with_the_class_that_loads_it(folder: Path) -> None:
    write_manifest(folder, replace(read_model_folder(folder), kinds=("reranker",), facts={"activation": "sigmoid"}))
    with pytest.raises(
        ModelFolderError, match=r"is a reranker, expected an embedding model: .* embed_plugin\.Reranker"
    ):
        Encoder.load(folder)


def test_a_folder_of_several_kinds_is_loaded_as_any_of_them(folder: Path) -> None:
    spec = write_manifest(folder, replace(read_model_folder(folder), kinds=("embedding", "sparse")))
    assert read_model_folder(folder) == spec
    assert Encoder.load(folder).encode_documents(["a"]).any()


def test_kinds_and_their_facts_are_part_of_the_fingerprint_of_all_but_embeddings(folder: Path) -> None:
    spec = read_model_folder(folder)
    assert fingerprint_of(replace(spec, facts={"a": 1})) == spec.fingerprint
    reranker = replace(spec, kinds=("reranker",))
    assert len({fingerprint_of(each) for each in (spec, reranker, replace(reranker, facts={"a": 1}))}) == 3


def test_the_manifest_of_an_embedding_model_is_as_before_there_were_kinds(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert not {"kinds", "facts"} & content.keys()


@pytest.mark.parametrize("kinds", [[], ["oracle"], [["embedding"]], "embedding", None])
def test_unknown_kinds_are_refused(folder: Path, kinds: object) -> None:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**content, "kinds": kinds, "facts": {}}), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"kinds (is|are) .*, which this version cannot use"):
        read_model_folder(folder)
