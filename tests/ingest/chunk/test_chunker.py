from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.ingest import Chunk, Chunker, Record, Rejected
from embed_plugin.ingest.chunk.splitters import is_splittable
from embed_plugin.ingest.read.formats.syntax import SYNTAXES
from embed_plugin.testing import FakeEncoder
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

    from embed_plugin.types import Role, Vectors

syntaxes = st.sampled_from(["text", "markdown", "python"])
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


def chunk(
    encoder: FakeEncoder, text: str, *, syntax: str = "text", chunk_tokens: int | None = None, overlap_tokens: int = 0
) -> list[Chunk]:
    chunker = Chunker(encoder, chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
    (chunks,) = chunker.chunk([Record("a", text, syntax=syntax)])
    assert isinstance(chunks, list)
    return chunks


def places(text: str, chunks: list[Chunk], *, overlap: bool = False) -> list[tuple[int, int]]:
    """Where each chunk begins and ends in the text, which has only white space between them."""
    found: list[tuple[int, int]] = []
    end = 0
    for piece in chunks:
        start = text.find(piece.text, found[-1][0] + 1 if overlap and found else end)
        assert start >= 0
        assert not text[end:start].strip()
        end = start + len(piece.text)
        found.append((start, end))
    assert not text[end:].strip()
    return found


@given(texts, syntaxes)
def test_only_white_space_is_lost_between_chunks_and_none_exceeds_the_limit(text: str, syntax: str) -> None:
    encoder = ByteEncoder(max_tokens=36)
    chunks = chunk(encoder, text, syntax=syntax)
    places(text, chunks)
    assert all(piece.tokens == encoder.count_tokens([piece.text])[0] <= 36 for piece in chunks)
    assert [piece.index for piece in chunks] == list(range(chunks[0].count))


@given(st.text("abc hello#.()=:\n", min_size=1).filter(str.strip), syntaxes)
def test_a_real_tokenizer_is_never_exceeded_either(text: str, syntax: str) -> None:
    encoder = WordPieceEncoder(prefix="hello ", max_tokens=7)
    chunks = chunk(encoder, text, syntax=syntax)
    places(text, chunks)
    assert max(encoder.count_tokens([piece.text for piece in chunks])) <= 7


@given(st.lists(st.sampled_from(["a", "b", "hello", "world.", "\n\n"]), min_size=1), st.integers(0, 4), syntaxes)
def test_an_overlap_repeats_no_more_tokens_than_were_asked_for(words: list[str], overlap: int, syntax: str) -> None:
    text = " ".join(word if word.isspace() else f"{word}{number}" for number, word in enumerate(words))
    encoder = WordPieceEncoder(max_tokens=12)
    chunks = chunk(encoder, text, syntax=syntax, overlap_tokens=overlap) if text.strip() else []
    assert all(piece.tokens <= 12 for piece in chunks)
    for (_, end), (start, _) in pairwise(places(text, chunks, overlap=True)):
        assert encoder.count_tokens([text[start:end]])[0] - 2 <= overlap


@pytest.mark.parametrize("text", ["漢字仮名" * 200, "👩‍👩‍👧‍👧" * 100, "नमस्ते दुनिया " * 50, "e\u0301" * 300])
def test_long_texts_without_spaces_are_covered_in_full(text: str) -> None:
    chunks = chunk(ByteEncoder(max_tokens=40), text)
    places(text, chunks)
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
    starts = [piece.text.split("\n")[0] for piece in chunk(FakeEncoder(max_tokens=14), text, syntax="markdown")]
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
    (chunks,) = chunker.chunk([Record("a", " ".join(words))])
    assert isinstance(chunks, list)
    pieces = [piece.text.split() for piece in chunks]
    assert all(before[-2:] == after[:2] for before, after in pairwise(pieces))
    assert all(len(piece) <= 6 for piece in pieces)


def test_a_character_longer_than_a_chunk_is_rejected_not_cut_and_spoils_no_other() -> None:
    records = [Record("a", "ab👩", {"n": 1}, place="a.txt"), Record("b", "ab")]
    rejected, chunks = Chunker(ByteEncoder(max_tokens=13)).chunk(records)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith("a.txt: '👩' alone has more than 13 tokens, the limit.")
    assert (rejected.source_id, rejected.record) == ("a", {"id": "a", "text": "ab👩", "metadata": {"n": 1}})
    assert isinstance(chunks, list)
    assert [piece.text for piece in chunks] == ["ab"]


def test_source_code_is_cut_at_its_functions() -> None:
    code = "def one(a):\n    b = a\n\n\n    return b\n\ndef two(a):\n    b = a\n\n\n    return b\n"
    starts = [piece.text.split("(")[0] for piece in chunk(FakeEncoder(max_tokens=10), code, syntax="python")]
    assert starts == ["def one", "def two"]
    assert [piece.text.split("(")[0] for piece in chunk(FakeEncoder(max_tokens=10), code)] != starts


@pytest.mark.parametrize("syntax", sorted({*SYNTAXES.values()} - {"markdown"}))
def test_there_is_a_splitter_for_each_language_whose_files_are_read(syntax: str) -> None:
    assert is_splittable(syntax)
    code = "int f(int a) { return a; }\n\nint g(int b) { return b; }\n"
    places(code, chunk(FakeEncoder(max_tokens=9), code, syntax=syntax))


def test_a_language_without_a_splitter_is_cut_as_text() -> None:
    assert not is_splittable("klingon")
    pieces = [chunk(FakeEncoder(max_tokens=8), "word " * 20, syntax=syntax) for syntax in ("klingon", "text")]
    assert pieces[0] == pieces[1]


def test_the_hash_covers_what_a_record_is_cut_as() -> None:
    chunker = Chunker(FakeEncoder())
    hashes = {chunker.hash_of(Record("a", "x", syntax=syntax)) for syntax in ("text", "markdown", "python", "klingon")}
    assert len(hashes) == 3
    assert chunker.hash_of(Record("a", "x")) != Chunker(FakeEncoder(), overlap_tokens=1).hash_of(Record("a", "x"))


@pytest.mark.parametrize(("chunk_tokens", "overlap_tokens"), [(2, 0), (0, 0), (-1, 0), (8, 6), (8, -1)])
def test_settings_that_leave_no_room_for_the_text_are_refused(chunk_tokens: int, overlap_tokens: int) -> None:
    with pytest.raises(InvalidInputError):
        Chunker(FakeEncoder(), chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)


class WordsOnlyEncoder(FakeEncoder):
    """A tokenizer without a template: a text of nothing that it knows has no tokens, and cannot be encoded."""

    @property
    def runtime(self) -> WordsOnlyEncoder:
        return self

    def tokenise(self, texts: Sequence[str]) -> TokenisedTexts:
        for index, text in enumerate(texts):
            if text == "\u200b":
                raise InvalidTextError(index, "has no tokens, so it has no vector: leave it out")
        return TokenisedTexts([array("i", [1] * len(text.split())) for text in texts], cut=[])

    def submit(self, tokenised: TokenisedTexts) -> Future[Vectors]:
        raise NotImplementedError


def test_a_record_without_tokens_is_rejected_alone() -> None:
    records = [Record("a", "one two"), Record("b", "\u200b", place="notes.jsonl:2"), Record("c", "three")]
    first, rejected, last = Chunker(WordsOnlyEncoder()).chunk(records)
    assert [chunk.text for part in (first, last) if isinstance(part, list) for chunk in part] == ["one two", "three"]
    assert isinstance(rejected, Rejected)
    assert (rejected.source_id, rejected.reason) == (
        "b",
        "notes.jsonl:2: has no tokens, so it has no vector: leave it out",
    )
