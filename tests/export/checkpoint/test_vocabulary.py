"""Tokenizers built from older vocabulary files give the tokens that transformers gives with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from conftest import VOCABULARY, make_checkpoint
from embed_plugin import Encoder, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "The", "cafe", "café", "Café", "東", "京", "##s", "東京"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "c", "Ġ", "ab", "Ġab"]
MERGES = "#version: 0.2\na b\nĠ ab\n"
FP32 = ExportSettings(precision="fp32")


def write_words(folder: Path, settings: dict[str, Any], words: list[str] = WORDS, model_type: str = "bert") -> Path:
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_pieces(folder: Path, settings: dict[str, Any], merges: str = MERGES) -> Path:
    (folder / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(PIECES)}))
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def tokens(folder: Path, text: str) -> str:
    return " ".join(Tokenizer.from_str(read_tokenizer(read_description(folder))).encode(text).tokens)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "[CLS] the cafe ##s 東 京 [MASK] [UNK] [SEP]"),
        ({"do_lower_case": False}, "[CLS] The Café ##s 東 京 [MASK] [UNK] [SEP]"),
        ({"tokenize_chinese_chars": False}, "[CLS] the cafe ##s 東京 [MASK] [UNK] [SEP]"),
        ({"strip_accents": False}, "[CLS] the café ##s 東 京 [MASK] [UNK] [SEP]"),
    ],
)
def test_words_of_bert(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    assert tokens(write_words(tmp_path, settings), "The Cafés 東京 [MASK] dog") == expected


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "electra"])
def test_special_tokens_of_other_names(tmp_path: Path, model_type: str) -> None:
    words = ["<begin>" if word == "[CLS]" else word for word in WORDS]
    folder = write_words(tmp_path, {"cls_token": {"content": "<begin>"}}, words, model_type)
    assert tokens(folder, "the") == "<begin> the [SEP]"


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, "<s> ab Ġab c </s>"), ({"add_prefix_space": True}, "<s> Ġab Ġab c </s>")]
)
def test_pieces_of_roberta(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    assert tokens(write_pieces(tmp_path, settings), "ab abc") == expected
    assert tokens(tmp_path, "a <mask>") == ("<s> Ġ a Ġ <mask> </s>" if settings else "<s> a Ġ <mask> </s>")


def test_a_checkpoint_with_vocab_txt_gives_the_vectors_of_its_tokenizer(tmp_path: Path) -> None:
    new, old = (make_checkpoint(tmp_path / name) for name in ("new", "old"))
    words = [*VOCABULARY[:-1], "[MASK]"]  # the last one is in no text
    (old / "tokenizer.json").unlink()
    (old / "vocab.txt").write_text("\n".join(words) + "\n")
    vectors = []
    for folder in (new, old):
        export(str(folder), tmp_path / f"{folder.name}-model", FP32)
        vectors.append(Encoder.load(tmp_path / f"{folder.name}-model").encode_documents(["The cat sat!", "", "xyz"]))
    np.testing.assert_array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize(
    ("merges", "found"),
    [
        ("a b c\n", "has the line 'a b c', expected two pieces"),
        ("a c\n", "has the line 'a c', expected two pieces"),
        ("x y\n", "has the line 'x y', expected two pieces"),
    ],
)
def test_merges_that_do_not_fit_their_pieces_are_refused(tmp_path: Path, merges: str, found: str) -> None:
    with pytest.raises(SourceError, match=found):
        read_tokenizer(read_description(write_pieces(tmp_path, {}, merges)))


def test_what_is_not_built_is_told_the_command(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"vocab\.txt has no \[MASK\].*AutoTokenizer as T"):
        read_tokenizer(read_description(write_words(tmp_path, {}, WORDS[:4])))
    with pytest.raises(SourceError, match=r"do_basic_tokenize .* is not built: run  python -c .*AutoTokenizer"):
        read_tokenizer(read_description(write_words(tmp_path, {"do_basic_tokenize": False})))
    (tmp_path / "added_tokens.json").write_text('{"<new>": 14}')
    with pytest.raises(SourceError, match=r"added_tokens\.json, which is not built"):
        read_tokenizer(read_description(write_words(tmp_path, {})))


@pytest.mark.parametrize("name", ["spiece.model", "vocab.txt"])
def test_another_class_of_tokenizer_is_told_the_command(tmp_path: Path, name: str) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint")
    (folder / "tokenizer.json").unlink()
    (folder / name).write_text("")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
    with pytest.raises(SourceError, match=rf"only {name} in .*python -c .*AutoTokenizer as T; T\.from_pretrained"):
        export(str(folder), tmp_path / "model", FP32)
