"""The layout of bge-m3: one folder, one run, a vector and the weights of words."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings, SourceError, SparseEncoder
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.export import ExportSettings, export
from embed_plugin.model.canaries import CheckedOn, Platform
from embed_plugin.model.folder import read_model_folder, write_manifest
from export.references.texts import TEXTS
from support.sparse_checkpoints import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.types import Precision


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_of("bge-m3", tmp_path_factory.mktemp("m3") / "bge-m3")


@pytest.fixture(scope="module", params=["fp32", "int8"])
def folder(request: pytest.FixtureRequest, checkpoint: Path) -> Path:
    precision: Precision = request.param
    out = checkpoint.parent / precision
    export(str(checkpoint), out, ExportSettings(precision=precision, min_cosine=0.9))
    return out


def words_of(checkpoint: Path) -> np.ndarray:
    with np.load(checkpoint / "lexical.npz") as file:
        return np.asarray(file["documents"])


def test_both_results_are_the_reference(folder: Path, checkpoint: Path) -> None:
    least, spread = (0.99999, 1e-5) if folder.name == "fp32" else (0.99, 0.1)
    vectors = Encoder.load(folder).encode_documents(TEXTS)
    assert (vectors * np.load(checkpoint / "vectors.npy")).sum(axis=1).min() >= least
    encoder, rows = SparseEncoder.load(folder), np.zeros((len(TEXTS), 384), np.float32)
    for row, vector in zip(rows, encoder.encode_documents(TEXTS), strict=True):
        row[vector.indices] = vector.values
    np.testing.assert_allclose(rows, words_of(checkpoint), atol=spread)
    assert encoder.dimension == 384
    assert encoder.fingerprint == Encoder.load(folder).fingerprint


def test_words_depend_on_the_text_alone(folder: Path) -> None:
    large = SparseEncoder.load(folder, EncoderSettings(workers=2))
    small = SparseEncoder.load(folder, EncoderSettings(token_budget=30, workers=1))
    vectors = large.encode_documents(TEXTS)
    assert small.encode_documents(TEXTS) == vectors
    assert [large.encode_documents([text])[0] for text in TEXTS] == vectors
    assert large.encode_queries(TEXTS) == vectors


def test_special_tokens_have_no_weight(folder: Path) -> None:
    for vector in SparseEncoder.load(folder).encode_documents(TEXTS):
        assert not np.isin([0, 1, 2, 3], vector.indices).any()
    assert read_model_folder(folder).facts["dropped"] == [0, 1, 2, 3]


def test_a_folder_of_another_cpu_is_checked_by_its_vectors(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    spec = read_model_folder(copy)
    elsewhere = CheckedOn(Platform("another", "onnxruntime", ONNXRUNTIME_VERSION), spec.checked_on.canaries)
    write_manifest(copy, type(spec)(**{**vars(spec), "checked_on": elsewhere}))
    settings = EncoderSettings(on_other_cpu="error")
    assert SparseEncoder.load(copy, settings).fingerprint == Encoder.load(copy, settings).fingerprint


def test_a_layer_that_is_damaged_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "bge-m3")
    (copy / "sparse_linear.pt").write_bytes(b"no archive")
    with pytest.raises(SourceError, match=r"sparse_linear\.pt is not read"):
        export(str(copy), tmp_path / "model")
