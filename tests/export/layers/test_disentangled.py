"""Attention with terms of distance is what its definition says, for every length; far distances share buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin.encode.session import open_session
from embed_plugin.export.layers.disentangled import DisentangledAttention, rows_by_distance
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

HEADS, CHANNELS, POSITIONS, SPAN = 2, 6, 9, 4


def split(x: Array) -> Array:
    return x.reshape(len(x), HEADS, -1).swapaxes(0, 1)


def defined(x: Array, by_query: Array | None, by_key: Array | None) -> Array:
    """Attention of one text, whose queries, keys and values are the same, score by score."""
    rows = np.clip(np.arange(len(x))[:, None] - np.arange(len(x)) + SPAN, 0, 2 * SPAN - 1)
    heads = split(x)
    scores = heads @ heads.swapaxes(1, 2)
    if by_query is not None:
        scores += np.einsum("hid,hijd->hij", heads, split(by_query)[:, rows])
    if by_key is not None:
        scores += np.einsum("hjd,hijd->hij", heads, split(by_key)[:, rows])
    shares = np.exp(0.5 * scores)
    mixed = shares @ heads / shares.sum(axis=2, keepdims=True)
    return np.asarray(mixed.swapaxes(0, 1).reshape(x.shape))


@pytest.mark.parametrize(("has_query", "has_key"), [(True, True), (True, False), (False, True)])
def test_scores_are_those_of_the_definition(*, has_query: bool, has_key: bool) -> None:
    rng = np.random.default_rng(0)
    table, *vectors = (rng.standard_normal((20, CHANNELS)), *rng.standard_normal((2, 2 * SPAN, CHANNELS)))
    by_query, by_key = (each if used else None for each, used in zip(vectors, (has_query, has_key), strict=True))
    rows = rows_by_distance(POSITIONS, SPAN, buckets=0, furthest=SPAN)
    tables = [None if each is None else each.astype(np.float32) for each in (by_query, by_key)]
    graph = GraphBuilder()
    hidden = graph.node("Gather", "words", graph.weight("table", table), INPUT)
    DisentangledAttention(HEADS, 0.5, rows, *tables).write(graph, "mixed", hidden, hidden, hidden)
    session = open_session(graph.model("mixed", ["length", CHANNELS]).SerializeToString())
    for length in (1, 2, 5, POSITIONS):
        ids = rng.integers(0, len(table), (3, length))
        expected = [defined(table[text], by_query, by_key) for text in ids]
        np.testing.assert_allclose(session.run(None, {INPUT: ids})[0], expected, rtol=1e-4, atol=1e-5)


def test_far_distances_share_buckets_and_the_furthest_has_the_last() -> None:
    rows = rows_by_distance(512, 256, buckets=256, furthest=512) - 256
    middle = 512
    np.testing.assert_array_equal(rows[middle - 128 : middle + 129], np.arange(-128, 129))
    np.testing.assert_array_equal(rows[middle - 511 : middle], -rows[middle + 1 : middle + 512][::-1])
    assert (np.diff(rows) >= 0).all()
    assert set(rows[middle:]) == set(range(256))
    assert rows[middle + 511] == 255


def test_distances_beyond_the_table_take_its_ends() -> None:
    rows = rows_by_distance(50, 10, buckets=0, furthest=10)
    assert rows[:41].tolist() == [0] * 41
    assert rows[59:].tolist() == [19] * 42
    assert rows[50] == 10
