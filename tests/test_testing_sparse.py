from __future__ import annotations

import pytest

from embed_plugin import InvalidTextError, TextSparseEncoder
from embed_plugin.testing import FakeSparseEncoder


def test_the_fake_scores_texts_by_the_words_that_they_share() -> None:
    encoder = FakeSparseEncoder()
    assert isinstance(encoder, TextSparseEncoder)
    near, far = encoder.encode_documents(["the cat sat", "water and fire"])
    (query,) = encoder.encode_queries(["a cat"])
    assert query.dot(near) > query.dot(far) == 0
    assert list(encoder.stream_documents(iter(["the cat sat"]))) == [near]
    assert encoder.encoded == ["the cat sat", "water and fire", "the cat sat"]
    assert len(encoder.encode_queries([""])[0]) == 0


def test_the_fake_refuses_bad_texts_by_their_index() -> None:
    with pytest.raises(InvalidTextError, match="text 1: "):
        FakeSparseEncoder().encode_queries(["a", "\ud800"])
    with pytest.raises(InvalidTextError, match="text 1: "):
        list(FakeSparseEncoder().stream_documents(iter(["a", 3])))  # type: ignore[arg-type]
