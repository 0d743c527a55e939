from __future__ import annotations

import math

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.fusion import Place, fuse
from embed_plugin.ingest.stores.sink import Stored, StoredChunk


def ranking(*names: str) -> list[tuple[float, StoredChunk]]:
    """Chunks with the scores 1, 1/2, 1/3, ..."""
    chunks = [StoredChunk(name, name, 0, Stored("", "", "", 1), name, {}) for name in names]
    return [(1 / (place + 1), chunk) for place, chunk in enumerate(chunks)]


def test_ranks_are_fused_and_every_place_is_told() -> None:
    found = fuse({"dense": ranking("a", "b", "c"), "late": ranking("b", "d")}, limit=3)
    assert [one.chunk.id for one in found] == ["b", "a", "d"]
    assert [one.score for one in found] == pytest.approx([1 / 11 + 1 / 10, 1 / 10, 1 / 11])
    assert found[0].places == {"dense": Place(2, 0.5), "late": Place(1, 1.0)}
    assert found[2].places == {"late": Place(2, 0.5)}


def test_weights_scale_what_a_ranking_adds() -> None:
    rankings = {"dense": ranking("a", "b"), "sparse": ranking("b", "a")}
    assert fuse(rankings, limit=1, weights=[1, 0.9])[0].chunk.id == "a"
    assert fuse(rankings, limit=1, weights=[0.9, 1])[0].chunk.id == "b"
    assert fuse(rankings, limit=9, weights=[0, 1])[-1].score == pytest.approx(1 / 11)


def test_of_equal_scores_the_first_rankings_stays_first() -> None:
    assert [one.chunk.id for one in fuse({"x": ranking("a", "b"), "y": ranking("b", "a")}, limit=2)] == ["a", "b"]


def test_one_ranking_keeps_its_scores() -> None:
    assert [one.score for one in fuse({"dense": ranking("a", "b", "c")}, limit=2)] == [1, 1 / 2]


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([1], "1 weights for 2 rankings: give one for each of dense, late"),
        ([1, -1], "expected numbers from 0 on"),
        ([0, 0], "one of them above 0"),
        ([1, math.nan], "expected numbers from 0 on"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights: list[float], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        fuse({"dense": ranking("a"), "late": ranking("b")}, limit=1, weights=weights)
