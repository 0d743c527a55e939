from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import Shard


@given(st.integers(1, 7), st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
def test_every_id_is_in_exactly_one_part(of_shards: int, ids: list[str]) -> None:
    held = [Shard(number, of_shards).holds(ids) for number in range(1, of_shards + 1)]
    assert all(sum(parts) == 1 for parts in zip(*held, strict=True))


def test_the_parts_are_about_equal() -> None:
    ids = [str(number) for number in range(10_000)]
    assert all(2300 < sum(Shard(number, 4).holds(ids)) < 2700 for number in range(1, 5))


def test_a_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("2/4") == Shard(2, 4)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"expected I/N with I from 1 to N"):
        Shard.parse(text)
