from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import InvalidTextError
from embed_plugin.client.batches import batches, checked_texts

if TYPE_CHECKING:
    from collections.abc import Iterator


@given(st.lists(st.text(max_size=20), max_size=40), st.integers(1, 10), st.integers(1, 50))
def test_slices_hold_every_text_in_order_within_the_limits(texts: list[str], most: int, characters: int) -> None:
    parts = list(batches(texts, most_texts=most, most_characters=characters))
    assert list(chain.from_iterable(batch.texts for batch in parts)) == texts
    assert [batch.first for batch in parts] == [
        sum(len(other.texts) for other in parts[:at]) for at in range(len(parts))
    ]
    for batch in parts:
        assert 0 < len(batch.texts) <= most
        assert len(batch.texts) == 1 or sum(map(len, batch.texts)) <= characters


def test_a_slice_is_given_out_one_text_later() -> None:
    read: list[str] = []

    def texts() -> Iterator[str]:
        for text in "abcdefgh":
            read.append(text)
            yield text

    next(batches(texts(), most_texts=2, most_characters=100))
    assert read == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("bad", "says"), [(3, "text 1: is a int; expected a str"), ("\ud800", "text 1: holds a lone surrogate")]
)
def test_a_text_that_no_service_takes_is_named_by_its_index(bad: str, says: str) -> None:
    with pytest.raises(InvalidTextError, match=says):
        list(checked_texts(["good", bad]))
