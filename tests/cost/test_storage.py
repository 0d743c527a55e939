from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import InvalidInputError
from embed_plugin.cost import CollectionSize


def test_the_bytes_are_the_formulas() -> None:
    size = CollectionSize(10e6, 384, text_bytes=900)
    whole, half, byte, bit = size.storage_forms()
    others = 2 * 16 * 4 + 90
    assert whole.memory_bytes == 10e6 * (384 * 4 + others)
    assert half.memory_bytes == 10e6 * (384 * 2 + others)
    assert byte.memory_bytes == 10e6 * (384 + others)
    assert bit.memory_bytes == 10e6 * (48 + others)
    assert half.disk_bytes == 10e6 * (384 * 2 + others + 900 + 410)
    assert byte.disk_bytes == 10e6 * (384 * 5 + others + 900 + 410)
    assert size.rule_of_thumb_bytes == 10e6 * 384 * 4 * 1.5


@given(st.floats(1, 1e12), st.integers(1, 8192), st.floats(1, 1e5), st.integers(0, 128))
def test_a_smaller_copy_takes_less_memory_and_disk_holds_it_all(
    count: float, dimension: int, text_bytes: float, hnsw_m: int
) -> None:
    stored = CollectionSize(count, dimension, text_bytes, hnsw_m).storage_forms()
    memories = [each.memory_bytes for each in stored]
    assert memories == sorted(memories, reverse=True)
    assert all(each.disk_bytes > each.memory_bytes for each in stored)


@pytest.mark.parametrize(("count", "hnsw_m", "named"), [(math.nan, 16, "count"), (1, -1, "hnsw_m")])
def test_nonsense_is_refused_by_name(count: float, hnsw_m: int, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        CollectionSize(count, 384, 1, hnsw_m)
