from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.evaluate.top_k import TopK

if TYPE_CHECKING:
    from random import Random

columns = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=40)


@given(columns, st.integers(1, 12), st.integers(1, 9), st.randoms())
def test_merging_blocks_finds_what_sorting_everything_finds(
    columns: list[tuple[int, int]], k: int, block: int, order: Random
) -> None:
    scored = [(str(n), column) for n, column in enumerate(columns)]
    order.shuffle(scored)
    best = TopK(2, k=k)
    for start in range(0, len(scored), block):
        part = scored[start : start + block]
        best.add(np.array([column for _, column in part], dtype=np.float32).T, [id_ for id_, _ in part])
    for row in range(2):
        everything = sorted(((column[row], id_) for id_, column in scored), reverse=True)
        assert best.ranked(row) == [(id_, score) for score, id_ in everything[:k]]


def test_minus_infinity_is_never_kept() -> None:
    best = TopK(1, k=3)
    best.add(np.array([[-np.inf, 0.5]], dtype=np.float32), ["own", "other"])
    assert best.ranked(0) == [("other", 0.5)]


def test_nothing_added_is_nothing_found() -> None:
    assert TopK(1, k=3).ranked(0) == []
