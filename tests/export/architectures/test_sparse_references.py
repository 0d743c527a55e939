"""Families of sparse encoders against sentence-transformers' own vectors, in fp32 and INT8, alone and in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EncoderSettings, SparseEncoder
from export.references.sparse_families import SPARSE_FAMILIES
from export.references.texts import TEXTS
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin import SparseVector
    from embed_plugin.types import Precision

QUERIES = [text for text in TEXTS if text.strip()]
LEAST_INT8 = 0.97
"""Random weights lose more than trained ones: this finds what is wrong, not what is worse."""


@pytest.fixture(scope="module", params=sorted(SPARSE_FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family's checkpoint with its tokenizer."""
    name = str(request.param)
    return checkpoint_of(name, tmp_path_factory.mktemp("checkpoint") / name)


def encoders(checkpoint: Path, folder: Path, precision: Precision) -> list[SparseEncoder]:
    """The exported model with two workers, and with one and batches of a few tokens."""
    exported(checkpoint, folder, precision)
    settings = EncoderSettings(workers=2), EncoderSettings(token_budget=30, workers=1)
    return [SparseEncoder.load(folder, each) for each in settings]


def rows(vectors: Sequence[SparseVector], words: int) -> npt.NDArray[np.float32]:
    """The vectors with their zeros, as the references are stored."""
    dense = np.zeros((len(vectors), words), np.float32)
    for row, vector in zip(dense, vectors, strict=True):
        row[vector.indices] = vector.values
    return dense


def references(checkpoint: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What sentence-transformers computed: of documents, and of queries."""
    with np.load(checkpoint / "vectors.npz") as file:
        return file["documents"], file["queries"]


def least_cosine(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / lengths).min())


def test_fp32_is_what_sentence_transformers_computes(checkpoint: Path, tmp_path: Path) -> None:
    large, small = encoders(checkpoint, tmp_path / "model", "fp32")
    of_documents, of_queries = references(checkpoint)
    documents = large.encode_documents(TEXTS)
    queries = rows(large.encode_queries(QUERIES), large.dimension)
    np.testing.assert_allclose(rows(documents, large.dimension), of_documents, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(queries, of_queries, rtol=1e-5, atol=2e-5)
    assert all((vector.values > 0).all() and (np.diff(vector.indices) > 0).all() for vector in documents)
    assert small.encode_documents(TEXTS) == documents
    assert [large.encode_documents([text])[0] for text in TEXTS] == documents


def test_int8_is_near_and_depends_on_the_text_alone(checkpoint: Path, tmp_path: Path) -> None:
    large, small = encoders(checkpoint, tmp_path / "model", "int8")
    of_documents, of_queries = references(checkpoint)
    documents = large.encode_documents(TEXTS * 2)[: len(TEXTS)]
    assert least_cosine(rows(documents, large.dimension), of_documents) >= LEAST_INT8
    assert least_cosine(rows(large.encode_queries(QUERIES), large.dimension), of_queries) >= LEAST_INT8
    assert small.encode_documents(TEXTS) == documents
    assert [large.encode_documents([text])[0] for text in TEXTS] == documents
    assert large.spec.provenance["comparison"]["first_words_kept"] >= 0.9  # type: ignore[index]
