from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from conftest import tiny_tokenizer
from embed_plugin import InvalidInputError, ModelFolderError
from embed_plugin.encode.tokenizer import HEAD_CHARACTERS_PER_TOKEN, TextTokenizer

if TYPE_CHECKING:
    from array import array
    from pathlib import Path


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> TextTokenizer:
    return TextTokenizer(tiny_checkpoint / "tokenizer.json", max_tokens=16)


def test_truncation_and_padding_of_the_file_are_ignored(tokenizer: TextTokenizer) -> None:
    assert [len(ids) for ids in tokenizer.tokenise(["cat", "cat " * 12], prefix="", first_index=0).ids] == [
        3,
        14,
    ]


def test_a_cut_text_keeps_its_special_tokens(tokenizer: TextTokenizer) -> None:
    tokenised = tokenizer.tokenise(["cat", "dog " * 100], prefix="", first_index=0)
    cls, *words, sep = tokenised.ids[1]
    assert (cls, sep, len(words), len(set(words))) == (2, 3, 14, 1)
    assert tokenised.cut == [1]


def test_the_prefix_counts_and_is_verbatim(tokenizer: TextTokenizer) -> None:
    plain, prefixed = (tokenizer.tokenise(["the cat"], prefix=prefix, first_index=0).ids for prefix in ("", "query: "))
    assert prefixed == tokenizer.tokenise(["query: the cat"], prefix="", first_index=0).ids
    assert len(prefixed[0]) == len(plain[0]) + 2


WORDS = [
    "cat",
    "xyzzy",
    "图",
    "ab\x00",
    "[SEP]",
    "\n\n",
    "...",
    "🙂",
    "ab" * 80,
    "e\u0301",
    "\u0301",
    "\u3000",
    "㎏",
    "a",
]


def unigram() -> Tokenizer:
    """Make a tokenizer like XLM-RoBERTa's: NFKC, a mark for each space, pieces by probability."""
    pieces = [
        ("<s>", 0.0),
        ("</s>", 0.0),
        ("<unk>", -9.0),
        ("▁", -2.0),
        ("▁cat", -3.0),
        *((piece, -4.0) for piece in ("图", "书", "图书", "书馆，图", *'abcxyz.é"[]{}:,1')),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def byte_level_bpe() -> Tokenizer:
    """Make a tokenizer like RoBERTa's: a space belongs to the word behind it, and runs of spaces may merge."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("Ġ", "Ġ"), ("ĠĠ", "Ġ"), ("Ċ", "Ċ"), ("a", "b"), ("ab", "ab")]
    symbols = ["<s>", "</s>", *alphabet, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(symbols)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.fixture(scope="module", params=["wordpiece", "unigram", "byte-level bpe"])
def any_tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    if request.param == "wordpiece":
        tokenizer, ends = tiny_tokenizer(), None
    else:
        tokenizer, ends = (unigram(), 1) if request.param == "unigram" else (byte_level_bpe(), 1)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", ends)]
        )
    tokenizer.add_special_tokens(["[SEP]"])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return TextTokenizer(path, max_tokens=16)


@given(words=st.lists(st.sampled_from(WORDS), max_size=400), separator=st.sampled_from(["", " ", "   ", "\n"]))
@settings(max_examples=150)
def test_tokenising_the_head_of_a_long_text_changes_nothing(
    any_tokenizer: TextTokenizer, words: list[str], separator: str
) -> None:
    text = separator.join(words)
    whole = any_tokenizer._encode([text], "query: ")[0]
    expected = list(whole) if len(whole) <= 16 else [*whole[:15], whole[-1]]
    assert any_tokenizer.tokenise([text], prefix="query: ", first_index=0).ids[0].tolist() == expected


@pytest.mark.parametrize("text", ["图书馆，" * 30_000, '{"a":1,"b":["c"]},' * 5_000, "[SEP]" * 20_000])
def test_a_long_text_without_white_space_is_tokenised_by_its_head(
    any_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    expected = any_tokenizer._encode([text], "")[0][:15].tolist()
    seen = record_lengths(any_tokenizer, monkeypatch)
    assert any_tokenizer.tokenise([text], prefix="", first_index=0).ids[0].tolist()[:15] == expected
    assert max(seen) <= 8 * HEAD_CHARACTERS_PER_TOKEN * 16


def record_lengths(tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the length of every text tokenised from now on."""
    seen: list[int] = []
    encode = tokenizer._encode

    def recorded(texts: list[str], prefix: str) -> list[array[int]]:
        seen.extend(map(len, texts))
        return encode(texts, prefix)

    monkeypatch.setattr(tokenizer, "_encode", recorded)
    return seen


def test_a_text_of_ten_megabytes_is_tokenised_by_its_head(
    tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = record_lengths(tokenizer, monkeypatch)
    assert len(tokenizer.tokenise(["the cat " * 1_250_000], prefix="", first_index=0).ids[0]) == 16
    assert sum(seen) <= 3 * HEAD_CHARACTERS_PER_TOKEN * 16


def test_white_space_without_end_is_still_one_text(tokenizer: TextTokenizer) -> None:
    assert tokenizer.tokenise([" " * 100_000 + "cat"], prefix="", first_index=0).ids[0].tolist() == [2, 7 - 1, 3]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is not a readable tokenizer"):
        TextTokenizer(tmp_path / "tokenizer.json", max_tokens=16)


def test_unknown_tokens_are_counted_where_a_tokenizer_has_one(any_tokenizer: TextTokenizer) -> None:
    texts = ["cat a", "สวัสดี cat ไทย", ""]
    expected = [0, 0, 0] if any_tokenizer._tokenizer.token_to_id("Ġ") is not None else [0, 2, 0]
    assert any_tokenizer.count_unknown_in(texts, prefix="").tolist() == expected
    ids = any_tokenizer.tokenise(texts, prefix="", first_index=0).ids
    assert any_tokenizer.count_unknown(ids) == expected


def test_a_vocabulary_without_its_unknown_token_is_an_error_that_says_so(tmp_path: Path) -> None:
    for vocabulary in ({"a": 0}, {"cat": 0}):
        words = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
        words.save(str(tmp_path / "tokenizer.json"))
        with pytest.raises((InvalidInputError, ModelFolderError), match=r"Missing \[UNK\] token from the vocabulary"):
            TextTokenizer(tmp_path / "tokenizer.json", max_tokens=16).tokenise(["dog"], prefix="", first_index=0)
