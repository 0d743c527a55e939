"""Late-interaction encoders against PyLate's own vectors, in fp32 and INT8, alone and in batches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EncoderSettings, LateInteractionEncoder
from embed_plugin.export import ExportSettings, export
from export.references.late_families import DOCUMENTS, LATE_FAMILIES, POOL_FACTOR, QUERIES

if TYPE_CHECKING:
    import numpy.typing as npt

    Vectors = list[npt.NDArray[np.float32]]

REFERENCES = Path(__file__).parents[2] / "export" / "references"
LEAST_INT8 = 0.95
"""Random weights lose more than trained ones: this finds what is wrong, not what is worse."""


@pytest.fixture(scope="module", params=[(name, kind) for name in LATE_FAMILIES for kind in ("fp32", "int8")], ids="-".join)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """A family's name, a precision, and the exported folder."""
    name, precision = request.param
    folder = tmp_path_factory.mktemp("late") / "model"
    export(str(REFERENCES / name), folder, ExportSettings(precision=precision, min_cosine=0.9))
    return name, precision, folder


def reference(name: str, of: str) -> Vectors:
    stored = np.load(REFERENCES / name / "vectors.npz")
    return np.split(stored[of], np.cumsum(stored[f"{of}_lengths"])[:-1])


def assert_near(found: Vectors, expected: Vectors, precision: str) -> None:
    assert [each.shape for each in found] == [each.shape for each in expected]
    cosines = [(one * other).sum(axis=1) for one, other in zip(found, expected, strict=True)]
    if precision == "fp32":
        assert min(each.min() for each in cosines) >= 0.99999
    else:
        assert np.concatenate(cosines).mean() >= LEAST_INT8
    assert all(each.dtype == np.float32 for each in found)


def assert_same(found: Vectors, expected: Vectors) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_documents_and_queries_are_what_pylate_computes(exported: tuple[str, str, Path]) -> None:
    name, precision, folder = exported
    encoder = LateInteractionEncoder.load(folder)
    assert_near(encoder.encode_documents(DOCUMENTS), reference(name, "documents"), precision)
    assert_near(encoder.encode_queries(QUERIES), reference(name, "queries"), precision)


def test_vectors_depend_on_the_text_alone(exported: tuple[str, str, Path]) -> None:
    folder = exported[2]
    large = LateInteractionEncoder.load(folder, EncoderSettings(workers=2, token_budget=4096))
    small = LateInteractionEncoder.load(folder, EncoderSettings(workers=1, token_budget=30))
    both = [*QUERIES, *DOCUMENTS]
    for encode in ("encode_documents", "encode_queries"):
        together = getattr(large, encode)(both * 3)[: len(both)]
        assert_same(getattr(small, encode)(both), together)
        assert_same([getattr(large, encode)([text])[0] for text in both], together)
