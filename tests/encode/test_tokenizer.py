from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_plugin import ModelFolderError
from embed_plugin.encode.tokenizer import HEAD_CHARACTERS_PER_TOKEN, TextTokenizer

if TYPE_CHECKING:
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


@given(st.lists(st.sampled_from(["cat", "xyzzy", "图", " ", "\n\n", "...", "🙂", "ab" * 80]), max_size=400))
@settings(max_examples=60, deadline=None)
def test_tokenising_the_head_of_a_long_text_changes_nothing(tokenizer: TextTokenizer, words: list[str]) -> None:
    text = " ".join(words)
    whole = tokenizer._encode([text], "query: ", 0)[0]
    expected = whole if len(whole) <= 16 else [*whole[:15], 3]
    assert tokenizer.tokenise([text], prefix="query: ", first_index=0).ids == [expected]


def test_a_text_of_ten_megabytes_is_tokenised_by_its_head(
    tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = tokenizer._encode

    def recorded(texts: list[str], prefix: str, first_index: int) -> list[list[int]]:
        seen.extend(map(len, texts))
        return encode(texts, prefix, first_index)

    monkeypatch.setattr(tokenizer, "_encode", recorded)
    assert len(tokenizer.tokenise(["the cat " * 1_250_000], prefix="", first_index=0).ids[0]) == 16
    assert sum(seen) <= 3 * HEAD_CHARACTERS_PER_TOKEN * 16


def test_white_space_without_end_is_still_one_text(tokenizer: TextTokenizer) -> None:
    assert tokenizer.tokenise([" " * 100_000 + "cat"], prefix="", first_index=0).ids == [[2, 7 - 1, 3]]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is not a readable tokenizer"):
        TextTokenizer(tmp_path / "tokenizer.json", max_tokens=16)
