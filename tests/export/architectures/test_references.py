"""Every family against sentence-transformers' own vectors, in fp32 and INT8, alone and in batches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings
from embed_plugin.export import ExportSettings, export
from export.references.families import FAMILIES
from export.references.texts import TEXTS

if TYPE_CHECKING:
    from embed_plugin.types import Vectors

REFERENCES = Path(__file__).parents[1] / "references"
LEAST_INT8 = 0.97
"""Random weights lose more than trained ones: this finds what is wrong, not what is worse."""


def checkpoint_of(name: str, folder: Path) -> Path:
    """Copy a family's checkpoint, with its tokenizer, to a new folder."""
    shutil.copytree(REFERENCES / name, folder)
    shutil.copy(REFERENCES / f"{FAMILIES[name].tokenizer}.json", folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family's checkpoint with its tokenizer."""
    name = str(request.param)
    return checkpoint_of(name, tmp_path_factory.mktemp("checkpoint") / name)


def encoders(checkpoint: Path, folder: Path, precision: str) -> list[Encoder]:
    """The exported model with two workers, and with one and batches of a few tokens."""
    export(str(checkpoint), folder, ExportSettings(precision=precision, exporter="native", min_cosine=0.9))  # type: ignore[arg-type]
    settings = (
        EncoderSettings(on_long="truncate", workers=2),
        EncoderSettings(on_long="truncate", token_budget=30, workers=1),
    )
    return [Encoder.load(folder, each) for each in settings]


def least_cosine(vectors: Vectors, checkpoint: Path) -> float:
    """To the reference, whose rows are unit vectors too."""
    return float((vectors * np.load(checkpoint / "vectors.npy")).sum(axis=1).min())


def test_fp32_is_what_sentence_transformers_computes(checkpoint: Path, tmp_path: Path) -> None:
    large, small = encoders(checkpoint, tmp_path / "model", "fp32")
    vectors = large.encode_documents(TEXTS)
    assert least_cosine(vectors, checkpoint) >= 0.99999
    np.testing.assert_array_equal(small.encode_documents(TEXTS), vectors)
    np.testing.assert_array_equal(np.concatenate([large.encode_documents([text]) for text in TEXTS]), vectors)


def test_int8_is_near_and_depends_on_the_text_alone(checkpoint: Path, tmp_path: Path) -> None:
    large, small = encoders(checkpoint, tmp_path / "model", "int8")
    vectors = large.encode_documents(TEXTS * 2)[: len(TEXTS)]
    assert least_cosine(vectors, checkpoint) >= LEAST_INT8
    np.testing.assert_array_equal(small.encode_documents(TEXTS), vectors)
    np.testing.assert_array_equal(np.concatenate([large.encode_documents([text]) for text in TEXTS]), vectors)
