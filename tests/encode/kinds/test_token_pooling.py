"""Token pooling against PyLate's, which clusters with scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embed_plugin.encode.kinds.token_pooling import cluster, pool_tokens
from export.references.late_families import POOL_FACTOR, POOLED

REFERENCES = Path(__file__).parents[2] / "export" / "references"


def test_pooled_vectors_are_pylates_at_unit_length() -> None:
    with np.load(REFERENCES / POOLED / "vectors.npz") as stored:
        whole = np.split(stored["documents"], np.cumsum(stored["documents_lengths"])[:-1])[2:]
        pooled = np.split(stored["pooled"], np.cumsum(stored["pooled_lengths"])[:-1])
    for vectors, expected in zip(whole, pooled, strict=True):
        found = pool_tokens(vectors, POOL_FACTOR)
        units = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        apart = np.abs(found[:, None] - units).max(axis=2)  # PyLate has them in another order
        assert found.shape == units.shape
        assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 1e-5


def test_the_first_token_stays_and_the_others_become_fewer() -> None:
    vectors = np.random.default_rng(1).standard_normal((31, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pooled = pool_tokens(vectors, 4)
    assert pooled.shape == (1 + 30 // 4, 8)
    np.testing.assert_array_equal(pooled[0], vectors[0])
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(pool_tokens(vectors, 1), vectors)


@pytest.mark.parametrize("tokens", [1, 2])
def test_texts_of_few_tokens_stay_as_they_are(tokens: int) -> None:
    vectors = np.eye(4, dtype=np.float32)[:tokens]
    np.testing.assert_array_equal(pool_tokens(vectors, 3), vectors)


def test_clusters_are_those_of_wards_criterion() -> None:
    """Checked against all pairs, step by step, from the sums of squares themselves."""
    points = np.random.default_rng(2).standard_normal((14, 3)).astype(np.float32)
    groups = [[index] for index in range(len(points))]

    def spread(members: list[int]) -> float:
        return float(((points[members] - points[members].mean(axis=0)) ** 2).sum())

    while len(groups) > 4:
        pairs = [(one, other) for at, one in enumerate(groups) for other in groups[at + 1 :]]
        one, other = min(pairs, key=lambda pair: spread(pair[0] + pair[1]) - spread(pair[0]) - spread(pair[1]))
        groups = [group for group in groups if group not in (one, other)] + [one + other]
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    labels = cluster(distances, 4)
    assert {frozenset(group) for group in groups} == {frozenset(np.flatnonzero(labels == at)) for at in range(4)}
