from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import ModelFolderError, SparseEncoder
from embed_plugin.model.folder import MANIFEST, QUERY_WEIGHTS, read_model_folder, write_manifest
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("table")
    return exported(checkpoint_of("splade-queries", made / "splade-queries"), made / "model")


def changed(folder: Path, copy: Path, weights: np.ndarray) -> Path:
    """Copy a folder, with other weights, as if it had been exported so."""
    shutil.copytree(folder, copy)
    np.save(copy / QUERY_WEIGHTS, weights)
    write_manifest(copy, read_model_folder(folder))
    return copy


def test_a_word_has_its_weight_once_and_a_word_without_one_is_left_out(folder: Path, tmp_path: Path) -> None:
    weights = np.arange(384, dtype=np.float32)
    weights[40:100] = 0
    encoder = SparseEncoder.load(changed(folder, tmp_path / "copy", weights))
    (vector,) = encoder.encode_queries(["a fox a fox a fox"])
    assert len(vector) == len(set(vector.indices.tolist()))
    np.testing.assert_array_equal(vector.values, vector.indices)
    assert not np.isin(vector.indices, np.arange(40, 100)).any()


def test_the_table_is_part_of_the_identity(folder: Path, tmp_path: Path) -> None:
    other = changed(folder, tmp_path / "copy", np.ones(384, np.float32))
    assert SparseEncoder.load(other).fingerprint != SparseEncoder.load(folder).fingerprint


def test_a_table_that_was_edited_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    np.save(copy / QUERY_WEIGHTS, np.ones(384, np.float32))
    with pytest.raises(ModelFolderError, match=r"query_weights\.npy was changed after export"):
        SparseEncoder.load(copy)


@pytest.mark.parametrize("weights", [np.ones(3, np.float32), np.ones(384), np.array({}, object)])
def test_a_table_that_does_not_fit_is_refused(folder: Path, tmp_path: Path, weights: np.ndarray) -> None:
    with pytest.raises(ModelFolderError, match=r"query_weights\.npy .*export the model again"):
        SparseEncoder.load(changed(folder, tmp_path / "copy", weights))


def test_the_manifest_says_that_there_is_a_table(folder: Path) -> None:
    facts = json.loads((folder / MANIFEST).read_text())["facts"]
    assert facts == {"activation": "log1p_relu", "max_active": None, "query_table": True, "query_max_tokens": 256}
