"""Max-sim against its definition, token by token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embed_plugin import InvalidInputError, max_sim, maxsim
from embed_plugin.max_sim import score_all


def vectors(*lengths: int) -> list[Any]:
    random = np.random.default_rng(len(lengths))
    return [random.standard_normal((length, 8)).astype(np.float32) for length in lengths]


def by_definition(query: Any, document: Any) -> float:  # noqa: ANN401 - arrays
    return sum(max(float(np.dot(one, other)) for other in document) for one in query)


def test_scores_are_those_of_the_definition() -> None:
    query, *documents = vectors(5, 1, 30, 7, 2)
    found = maxsim(query, documents)
    assert found.dtype == np.float32
    assert found.shape == (4,)
    np.testing.assert_allclose(found, [by_definition(query, each) for each in documents], rtol=1e-5)
    assert maxsim(query, []).shape == (0,)


@pytest.mark.parametrize("products", [1, 90, 1000])
def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch, products: int) -> None:
    queries, documents = vectors(3, 9, 1), vectors(4, 1, 30, 7, 2, 11, 5, 5)
    whole = score_all(queries, documents)
    monkeypatch.setattr(max_sim, "MOST_PRODUCTS", products)
    np.testing.assert_array_equal(score_all(queries, documents), whole)
    np.testing.assert_array_equal([maxsim(query, documents) for query in queries], whole)


@pytest.mark.parametrize(
    ("query", "documents", "message"),
    [
        (np.ones((2, 8)), [np.ones((3, 8)), np.ones((3, 4))], r"document 1 has token vectors of the shape \(3, 4\)"),
        (np.ones((2, 8)), [np.ones((0, 8))], r"document 0 has token vectors of the shape \(0, 8\)"),
        (np.ones(8), [np.ones((3, 8))], r"query has token vectors of the shape \(8,\), expected"),
        (np.ones((2, 8)), np.ones((3, 8)), "document 0 .* pass a list of arrays"),
    ],
)
def test_other_shapes_are_refused(query: Any, documents: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(InvalidInputError, match=message):
        maxsim(query, documents)
