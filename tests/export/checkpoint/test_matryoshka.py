from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder, ExportError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.matryoshka import require_matryoshka
from embed_plugin.export.checkpoint.source import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "", "read and write the file line of text"]


def settings(dimension: int | None) -> ExportSettings:
    return ExportSettings(precision="fp32", dimension=dimension)


def test_a_vector_is_cut_and_then_normalised(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    whole, cut = (export(str(checkpoint), tmp_path / str(n), settings(n)) for n in (None, 8))
    assert (whole.dimension, cut.dimension) == (32, 8)
    assert whole.fingerprint != cut.fingerprint
    expected = Encoder.load(tmp_path / "None").encode_documents(TEXTS)[:, :8]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(Encoder.load(tmp_path / "8").encode_documents(TEXTS), expected, atol=1e-6)


def test_int8_is_cut_too(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", is_matryoshka=True)
    export(str(checkpoint), tmp_path / "model", ExportSettings(dimension=12, min_cosine=0.9))
    assert Encoder.load(tmp_path / "model").encode_queries(TEXTS).shape == (3, 12)


@pytest.mark.parametrize(
    ("config", "dimension", "message"),
    [
        ({}, 8, r"checkpoint does not say that its vectors may be cut .*add it to config\.json"),
        ({"is_matryoshka": False}, 8, "does not say"),
        ({"matryoshka_dimensions": []}, 8, "does not say"),
        ({"matryoshka_dimensions": [8, 16]}, 12, "trained for vectors of 8, 16; found dimension 12"),
        ({"is_matryoshka": True}, 33, "dimension is 33; this model's vectors have 1 to 32 values"),
        ({"is_matryoshka": True}, 0, "dimension is 0"),
    ],
)
def test_what_a_model_does_not_offer_is_refused(
    tmp_path: Path, config: dict[str, Any], dimension: int, message: str
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", **config)
    with pytest.raises(ExportError, match=message):
        export(str(checkpoint), tmp_path / "model", settings(dimension))


@pytest.mark.parametrize("name", ["mixedbread-ai/mxbai-embed-large-v1", "Snowflake/snowflake-arctic-embed-m-v1.5"])
def test_models_known_from_their_cards_may_be_cut(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    require_matryoshka(Checkpoint(tmp_path, name, "1"), 256)
    with pytest.raises(ExportError, match="does not say"):
        require_matryoshka(Checkpoint(tmp_path, "sentence-transformers/all-MiniLM-L6-v2", "1"), 256)
