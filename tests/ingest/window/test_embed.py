from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import EncodingError
from embed_plugin.ingest import Chunk, Record
from embed_plugin.ingest.chunk.chunker import Chunker
from embed_plugin.ingest.window import embed as module
from embed_plugin.ingest.window.embed import Embedding
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin import Encoder, Vectors


def chunks(*texts: str) -> list[Chunk]:
    return [Chunk(text, 0, 1, text, {}, "m", "r", 3) for text in texts]


def test_each_distinct_text_is_embedded_once_across_windows() -> None:
    encoder = FakeEncoder()
    with Embedding(encoder) as embedding:
        first, second = embedding.start(chunks("a", "b", "a")), embedding.start(chunks("b", "c"))
        vectors = np.concatenate([first(), second()])
    assert sorted(encoder.encoded) == ["a", "b", "c"]
    assert np.array_equal(vectors, FakeEncoder().encode_documents(["a", "b", "a", "b", "c"]))


def test_what_was_tokenised_to_cut_it_is_not_tokenised_again(
    tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["the cat sat on the mat", "the dog"]
    cut = Chunker(tiny_encoder).chunk([Record(text, text) for text in texts])
    pieces = [piece for pieces in cut if isinstance(pieces, list) for piece in pieces]
    expected = tiny_encoder.encode_documents(texts)
    monkeypatch.delattr(TextTokenizer, "tokenise")
    with Embedding(tiny_encoder) as embedding:
        assert np.array_equal(embedding.start(pieces)(), expected)


def test_a_window_waits_for_the_text_that_an_earlier_one_embeds() -> None:
    go_on = threading.Event()

    class Slow(FakeEncoder):
        def encode_documents(self, texts: Sequence[str]) -> Vectors:
            if "a" in texts:
                go_on.wait(HANG_SECONDS)
            return super().encode_documents(texts)

    encoder = Slow()
    with Embedding(encoder) as embedding:
        embedding.start(chunks("a"))
        second = embedding.start(chunks("b", "a"))
        go_on.set()
        assert np.array_equal(second(), FakeEncoder().encode_documents(["b", "a"]))
    assert sorted(encoder.encoded) == ["a", "b"]


def test_only_the_last_texts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_BYTES", 2 * (4 * 32 + module._ENTRY_OVERHEAD_BYTES))
    encoder = FakeEncoder(32)
    with Embedding(encoder) as embedding:
        for texts in (("a", "b"), ("c",), ("d", "a"), ("d",)):
            embedding.start(chunks(*texts))()
        assert len(embedding._cached) <= 3
    assert encoder.encoded == ["a", "b", "c", "d", "a"]


@pytest.mark.parametrize("bad", [np.full((1, 32), np.nan), np.ones((1, 31)), np.ones((2, 32))])
def test_vectors_that_are_none_are_refused(bad: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEncoder, "encode_documents", lambda *_: bad)
    with (
        Embedding(FakeEncoder()) as embedding,
        pytest.raises(EncodingError, match=r"expected finite ones of \(1, 32"),
    ):
        embedding.start(chunks("a"))()
