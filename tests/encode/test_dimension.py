from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder, EncoderSettings, InvalidInputError
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["a cat", "the dog ran over the lawn", "", "a " * 40, "猫"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("matryoshka")
    checkpoint = make_checkpoint(work / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    export(str(checkpoint), work / "model", ExportSettings(min_cosine=0.9))
    export(str(checkpoint), work / "cut", ExportSettings(min_cosine=0.9, dimension=8))
    return work / "model"


def test_vectors_are_cut_as_they_leave_the_graph(folder: Path) -> None:
    whole, short = Encoder.load(folder), Encoder.load(folder, dimension=8)
    vectors = short.encode_documents(TEXTS)
    kept = whole.encode_documents(TEXTS)[:, :8]
    np.testing.assert_allclose(vectors, kept / np.linalg.norm(kept, axis=1, keepdims=True), atol=1e-6)
    assert short.dimension == 8
    assert vectors.shape == (len(TEXTS), 8)


def test_a_cut_vector_depends_on_its_text_alone(folder: Path) -> None:
    encoder = Encoder.load(folder, EncoderSettings(workers=2), dimension=16)
    together = encoder.encode_queries(TEXTS)
    np.testing.assert_array_equal(together, np.concatenate([encoder.encode_queries([text]) for text in TEXTS]))
    np.testing.assert_array_equal(together, asyncio.run(encoder.aencode_queries(TEXTS)))
    np.testing.assert_array_equal(together, list(encoder.stream_queries(TEXTS)))


def test_each_length_has_an_identity_and_pickles(folder: Path) -> None:
    encoders = [Encoder.load(folder, dimension=dimension) for dimension in (None, 32, 16, 8)]
    whole, same, *cut = encoders
    assert whole.fingerprint == same.fingerprint
    assert len({each.fingerprint for each in encoders}) == 3
    assert Encoder.load(folder.parent / "cut").fingerprint not in {each.fingerprint for each in cut}
    again = pickle.loads(pickle.dumps(cut[0]))  # noqa: S301 - our own
    assert (again.dimension, again.fingerprint) == (16, cut[0].fingerprint)
    assert Encoder.load(folder, dimension=8, query_prefix="q: ").fingerprint != cut[1].fingerprint


def test_a_folder_exported_with_a_dimension_gives_nearly_the_vectors_of_a_cut(folder: Path) -> None:
    exported = Encoder.load(folder.parent / "cut").encode_documents(TEXTS)
    np.testing.assert_allclose(Encoder.load(folder, dimension=8).encode_documents(TEXTS), exported, atol=0.05)


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        (12, "was trained for vectors of 8, 16, 32; found dimension 12"),
        (33, "dimension is 33; .* has vectors of 32 numbers"),
        (0, "dimension is 0; "),
        (True, "dimension is True; "),
        ("8", "dimension is '8'; "),
    ],
)
def test_a_length_that_the_model_does_not_have_is_refused(folder: Path, dimension: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Encoder.load(folder, dimension=dimension)


def test_a_model_that_was_not_trained_for_it_is_not_cut(tiny_encoder: Encoder) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing says that vectors of .* may be cut: leave dimension out"):
        Encoder.load(tiny_encoder.folder, dimension=8)
