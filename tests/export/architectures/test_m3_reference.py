"""The layout of bge-m3: one folder, one run, a vector, the weights of words and token vectors."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import (
    CombinedEncoder,
    Encoder,
    EncoderSettings,
    LateInteractionEncoder,
    ModelFolderError,
    SourceError,
    SparseEncoder,
)
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


def test_token_vectors_are_the_reference_without_the_first(folder: Path, checkpoint: Path) -> None:
    least = 0.99999 if folder.name == "fp32" else 0.98
    with np.load(checkpoint / "tokens.npz") as file:
        expected = [file[name] for name in file.files]
    encoder = LateInteractionEncoder.load(folder)
    for found, wanted in zip(encoder.encode_documents(TEXTS[: len(expected)]), expected, strict=True):
        assert found.shape == wanted.shape
        assert (found * wanted).sum(axis=1).min() >= least
    assert encoder.encode_queries(TEXTS[:1])[0].tolist() == encoder.encode_documents(TEXTS[:1])[0].tolist()
    assert encoder.limit("query") == encoder.limit("document") == encoder.max_tokens


def test_one_run_gives_what_each_kind_gives_alone(folder: Path) -> None:
    words, tokens = SparseEncoder.load(folder), LateInteractionEncoder.load(folder)
    combined = CombinedEncoder.load(folder, EncoderSettings(workers=2))
    runs: list[int] = []
    combined.runtime.observe(lambda report: runs.append(report.texts))
    results = combined.encode_documents(TEXTS)
    assert sum(runs) == len(TEXTS)
    np.testing.assert_array_equal([each.vector for each in results], Encoder.load(folder).encode_documents(TEXTS))
    assert [each.words for each in results] == words.encode_documents(TEXTS)
    for each, expected in zip(results, tokens.encode_documents(TEXTS), strict=True):
        np.testing.assert_array_equal(each.tokens, expected)
    again = asyncio.run(combined.aencode_documents(TEXTS[:3]))
    assert all((here.vector == there.vector).all() for here, there in zip(again, results, strict=False))
    streamed = list(combined.stream_documents(TEXTS[:3]))
    assert [each.words for each in streamed] == [each.words for each in results[:3]]
    alone = CombinedEncoder.load(folder, EncoderSettings(token_budget=30, workers=1)).encode_queries(TEXTS[:1])[0]
    np.testing.assert_array_equal(alone.tokens, results[0].tokens)


def test_a_model_of_one_kind_gives_nothing_combined(tiny_encoder: Encoder) -> None:
    with pytest.raises(
        ModelFolderError, match=r"gives one kind of result, embedding: load it with embed_plugin\.Encoder"
    ):
        CombinedEncoder.load(tiny_encoder.folder)


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


@pytest.mark.parametrize("name", ["sparse_linear", "colbert_linear"])
def test_a_layer_that_is_damaged_is_refused(checkpoint: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "bge-m3")
    (copy / f"{name}.pt").write_bytes(b"no archive")
    with pytest.raises(SourceError, match=rf"{name}\.pt is not read"):
        export(str(copy), tmp_path / "model")
