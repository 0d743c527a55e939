"""The real all-MiniLM-L6-v2, exported by this project, against its published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.real_model, pytest.mark.xdist_group("real_model")]


def test_meaning_decides_not_words(minilm: Callable[[Any], Path]) -> None:
    encoder = Encoder.load(minilm("int8"))
    documents = encoder.encode_documents(
        ["The physician examined the child.", "The bank raised its rates.", "Rain fell."]
    )
    assert int(np.argmax(documents @ encoder.encode_queries(["a doctor saw a young patient"])[0])) == 0


def test_limit_and_prefixes_are_the_models_own(minilm: Callable[[Any], Path]) -> None:
    spec = Encoder.load(minilm("int8")).spec
    assert (spec.max_tokens, spec.dimension, spec.pooling) == (256, 384, "mean")
    assert (spec.query_prefix, spec.document_prefix) == ("", "")
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    assert comparison["mean_cosine"] > 0.99


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_same_vector_alone_and_in_company(minilm: Callable[[Any], Path], precision: str) -> None:
    encoder = Encoder.load(minilm(precision))
    texts = ["word " * n for n in (0, 1, 2, 5, 5, 17, 40, 40, 120, 254, 300)]
    together = encoder.encode_documents([*texts, *texts])
    for index, text in enumerate(texts):
        alone = encoder.encode_documents([text])[0]
        np.testing.assert_array_equal(together[index], alone)
        np.testing.assert_array_equal(together[index + len(texts)], alone)


@pytest.mark.parametrize(("precision", "expected", "tolerance"), [("fp32", 82.03, 0.1), ("int8", 82.03, 0.3)])
def test_stsb_spearman(
    minilm: Callable[[Any], Path], shared_data: Path, precision: str, expected: float, tolerance: float
) -> None:
    lines = (shared_data / "stsb" / "sts-test.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    encoder = Encoder.load(minilm(precision))
    first, second = (encoder.encode_documents([row[column] for row in rows]) for column in (5, 6))
    similarity = np.sum(first * second, axis=1)
    assert 100 * spearman(similarity, np.array([float(row[4]) for row in rows])) == pytest.approx(
        expected, abs=tolerance
    )


def spearman(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Correlation of the ranks, equal values sharing their mean rank."""

    def ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])

    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])
