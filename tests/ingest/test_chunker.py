from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest import Chunk, Chunker, Record
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from embed_plugin.contracts import Role

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: not Record("a", text).is_empty
)


class ByteEncoder(FakeEncoder):
    """Its tokens are bytes, plus two special ones and those of a prefix."""

    prefix = "passage: "

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        del role
        return np.array([len((self.prefix + text).encode()) + 2 for text in texts], dtype=np.int64)


class WordPieceEncoder(FakeEncoder):
    """A real tokenizer that knows three words and every letter, and offers itself to the splitter."""

    def __init__(self, *, prefix: str = "", max_tokens: int = 16) -> None:
        super().__init__(max_tokens=max_tokens)
        letters = [f"{start}{letter}" for start in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz.#"]
        vocabulary = ["[UNK]", "[CLS]", "[SEP]", "hello", "world", "prefixhello", *letters]
        self._tokenizer = Tokenizer(
            models.WordPiece({word: number for number, word in enumerate(vocabulary)}, unk_token="[UNK]")  # noqa: S106 - a token of text
        )
        self._tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self._tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
        self._prefix = prefix
        self.tokenizer_json = self._tokenizer.to_str()
        self.calls = 0

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        del role
        self.calls += 1
        encodings = self._tokenizer.encode_batch([self._prefix + text for text in texts])
        return np.array([len(encoding.ids) for encoding in encodings], dtype=np.int64)


def chunk(encoder: FakeEncoder, text: str, *, markdown: bool = False, chunk_tokens: int | None = None) -> list[Chunk]:
    record = Record("a", text, markdown=markdown)
    return Chunker(encoder, chunk_tokens=chunk_tokens).chunk([record])[0]


def without_space(text: str) -> str:
    return "".join(text.split())


@given(texts, st.booleans())
def test_chunks_cover_the_text_and_none_exceeds_the_limit(text: str, markdown: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    encoder = ByteEncoder(max_tokens=20)
    chunks = chunk(encoder, text, markdown=markdown)
    assert without_space("".join(piece.text for piece in chunks)) == without_space(text)
    assert all(piece.tokens == encoder.count_tokens([piece.text])[0] <= 20 for piece in chunks)
    assert [piece.index for piece in chunks] == list(range(chunks[0].count))


@given(st.text("abc hello#.\n", min_size=1).filter(str.strip), st.booleans())
def test_a_real_tokenizer_is_never_exceeded_either(text: str, markdown: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    encoder = WordPieceEncoder(prefix="hello ", max_tokens=7)
    chunks = chunk(encoder, text, markdown=markdown)
    assert without_space("".join(piece.text for piece in chunks)) == without_space(text)
    assert max(encoder.count_tokens([piece.text for piece in chunks])) <= 7


@pytest.mark.parametrize("text", ["漢字仮名" * 200, "👩‍👩‍👧‍👧" * 100, "नमस्ते दुनिया " * 50, "e\u0301" * 300])
def test_long_texts_without_spaces_are_covered_in_full(text: str) -> None:
    chunks = chunk(ByteEncoder(max_tokens=40), text)
    assert without_space("".join(piece.text for piece in chunks)) == without_space(text)
    assert max(piece.tokens for piece in chunks) <= 40


def test_chunks_are_filled_to_the_limit_without_its_special_tokens() -> None:
    chunks = chunk(WordPieceEncoder(max_tokens=10), "hello " * 16)
    assert [piece.tokens for piece in chunks] == [10, 10]


def test_a_text_that_fits_is_kept_as_it_is() -> None:
    assert [piece.text for piece in chunk(FakeEncoder(max_tokens=8), "  two words\n")] == ["  two words\n"]


def test_tokens_that_merge_with_the_prefix_are_counted_with_it() -> None:
    encoder = WordPieceEncoder(prefix="prefix", max_tokens=9)
    chunks = chunk(encoder, "zoo " * 9)
    assert max(encoder.count_tokens([piece.text for piece in chunks])) <= 9


def test_markdown_is_cut_at_headings_before_it_is_cut_elsewhere() -> None:
    text = "# One\n\n" + "word " * 8 + "\n\n# Two\n\n" + "word " * 3
    starts = [piece.text.split("\n")[0] for piece in chunk(FakeEncoder(max_tokens=14), text, markdown=True)]
    assert starts == ["# One", "# Two"]


def test_tokens_are_counted_once_for_all_records_that_fit() -> None:
    encoder = WordPieceEncoder()
    chunker = Chunker(encoder)
    before = encoder.calls
    chunker.chunk([Record(str(number), "hello world") for number in range(500)])
    assert encoder.calls == before + 1


def test_overlapping_chunks_repeat_the_end_of_the_one_before() -> None:
    words = [f"w{number}" for number in range(20)]
    chunker = Chunker(FakeEncoder(), chunk_tokens=8, overlap_tokens=2)
    pieces = [piece.text.split() for piece in chunker.chunk([Record("a", " ".join(words))])[0]]
    assert all(before[-2:] == after[:2] for before, after in pairwise(pieces))
    assert all(len(piece) <= 6 for piece in pieces)


def test_a_character_longer_than_a_chunk_is_refused_not_cut() -> None:
    with pytest.raises(RecordError, match=r"'👩' alone is 15 tokens, the limit is 13"):
        chunk(ByteEncoder(max_tokens=13), "ab👩")


@pytest.mark.parametrize(("chunk_tokens", "overlap_tokens"), [(2, 0), (0, 0), (-1, 0), (8, 6), (8, -1)])
def test_settings_that_leave_no_room_for_the_text_are_refused(chunk_tokens: int, overlap_tokens: int) -> None:
    with pytest.raises(InvalidInputError):
        Chunker(FakeEncoder(), chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
