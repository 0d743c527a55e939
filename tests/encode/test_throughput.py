from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.encode.throughput import measure_tokens_per_second
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.types import Vectors


class CallCounter(FakeEncoder):
    """Records the number of texts of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        return super().encode_documents(texts)


@pytest.mark.parametrize(
    ("texts", "calls"), [(1, [1]), (2, [2]), (3, [1, 2]), (8, [1, 2, 5]), (256, [1, 2, 4, 8, 16, 32, 64, 129])]
)
def test_calls_grow_until_all_texts_were_encoded_once(texts: int, calls: list[int]) -> None:
    encoder = CallCounter()
    assert measure_tokens_per_second(encoder, ["a b"] * texts, [4] * texts, seconds=60) > 0
    assert encoder.calls == [1, *calls]


def test_without_time_one_call_is_made_and_told() -> None:
    encoder, told = CallCounter(), list[tuple[float, float]]()
    rate = measure_tokens_per_second(
        encoder, ["a"] * 99, [3] * 99, seconds=0, on_progress=lambda *seen: told.append(seen)
    )
    assert encoder.calls == [1, 1]
    assert [seen for _, seen in told] == [rate]
