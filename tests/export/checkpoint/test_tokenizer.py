"""Overrides in the files beside ``tokenizer.json`` are in the model folder's tokenizer, and in its identity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from conftest import make_checkpoint, tiny_tokenizer
from embed_plugin import Encoder, ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    Normalizer = normalizers.Normalizer | None

FP32 = ExportSettings(precision="fp32")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>", "<s>", "the", "The", "cafe", "café", "Café", "東", "京", "東京"]
TEXT = "The Café 東京"
BERT = {"tokenizer_class": "BertTokenizer"}


def folder_of(folder: Path, normalizer: Normalizer, files: dict[str, Any], *, model_type: str = "bert") -> Path:
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in {"config.json": {"model_type": model_type}, **files}.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def tokens(folder: Path) -> list[str]:
    return list(Tokenizer.from_str(read_tokenizer(read_description(folder))).encode(TEXT).tokens)


CASED, UNCASED = normalizers.BertNormalizer(lowercase=False), normalizers.BertNormalizer(lowercase=True)


@pytest.mark.parametrize(
    ("normalizer", "settings", "expected"),
    [
        (UNCASED, {"do_lower_case": True, **BERT}, "the cafe 東 京"),
        (UNCASED, {"do_lower_case": False, **BERT}, "The Café 東 京"),
        (CASED, {"do_lower_case": True, **BERT}, "the cafe 東 京"),
        (CASED, {"do_lower_case": True}, "the cafe 東 京"),
        (CASED, BERT, "the cafe 東 京"),
        (CASED, {"do_lower_case": True, "tokenizer_class": "BertTokenizerFast"}, "the cafe 東 京"),
        (CASED, {"do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast"}, "The Café 東 京"),
        (UNCASED, {"strip_accents": False, **BERT}, "the café 東 京"),
        (normalizers.BertNormalizer(strip_accents=False), {"strip_accents": None, **BERT}, "the cafe 東 京"),
        (UNCASED, {"tokenize_chinese_chars": False, **BERT}, "the cafe 東京"),
        (normalizers.Sequence([CASED]), {"do_lower_case": True, **BERT}, "The Café 東 京"),
    ],
)
def test_berts_normalizer_is_set_by_the_tokenizers_config(
    tmp_path: Path,
    normalizer: Normalizer,
    settings: dict[str, Any],
    expected: str,
) -> None:
    assert tokens(folder_of(tmp_path, normalizer, {"tokenizer_config.json": settings})) == expected.split()


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta", "modernbert"])
def test_other_tokenizers_are_as_their_file_says(tmp_path: Path, model_type: str) -> None:
    folder = folder_of(tmp_path, CASED, {"tokenizer_config.json": {"do_lower_case": True}}, model_type=model_type)
    assert tokens(folder) == ["The", "Café", "東", "京"]


@pytest.mark.parametrize("normalizer", [CASED, None, normalizers.Sequence([CASED]), normalizers.Lowercase()])
def test_sentence_transformers_lower_case_comes_first(tmp_path: Path, normalizer: Normalizer) -> None:
    folder = folder_of(
        tmp_path, normalizer, {"sentence_bert_config.json": {"do_lower_case": True}}, model_type="roberta"
    )
    assert tokens(folder)[:2] == ["the", "café"]


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (None, "the </s>"),
        (processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 5)]), "<s> the </s>"),
        (processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 4)]), "the </s>"),
        (processors.ByteLevel(), "the </s>"),
        (
            processors.Sequence(
                [processors.ByteLevel(), processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 5)])]
            ),
            "<s> the </s>",
        ),
        (processors.RobertaProcessing(("</s>", 4), ("<s>", 5)), "<s> the </s>"),
    ],
)
@pytest.mark.parametrize("eos", ["</s>", {"content": "</s>", "special": True}])
def test_the_end_of_a_text_is_marked_where_the_config_asks_for_it(
    tmp_path: Path,
    processor: processors.PostProcessor | None,
    expected: str,
    eos: object,
) -> None:
    folder = folder_of(tmp_path, None, {"tokenizer_config.json": {"add_eos_token": True, "eos_token": eos}})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processor
    tokenizer.save(str(folder / "tokenizer.json"))
    assert Tokenizer.from_str(read_tokenizer(read_description(folder))).encode("the").tokens == expected.split()


def test_the_beginning_is_marked_too_and_a_special_tokens_map_names_both(tmp_path: Path) -> None:
    named = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    settings = {"add_eos_token": True, "add_bos_token": True}
    folder = folder_of(tmp_path, None, {"tokenizer_config.json": settings, "special_tokens_map.json": named})
    assert Tokenizer.from_str(read_tokenizer(read_description(folder))).encode("the").tokens == ["<s>", "the", "</s>"]


def test_an_end_that_is_no_token_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, None, {"tokenizer_config.json": {"add_eos_token": True, "eos_token": "<end>"}})
    with pytest.raises(ExportError, match=r"tokenizer_config\.json asks for its eos_token '<end>'.*no token of"):
        read_tokenizer(read_description(folder))


@pytest.mark.parametrize("inside", [True, False])
def test_cutting_on_the_left_is_refused(tmp_path: Path, inside: object) -> None:
    folder = folder_of(tmp_path, CASED, {"tokenizer_config.json": {} if inside else {"truncation_side": "left"}})
    if inside:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(8, direction="left")
        tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ExportError, match=rf"tokenizer{'' if inside else '_config'}\.json cuts long texts on the left"):
        read_tokenizer(read_description(folder))


def test_a_long_text_still_ends_with_the_added_end(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", max_position_embeddings=16)
    settings = {"add_eos_token": True, "eos_token": "!", "do_lower_case": True}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
    export(str(checkpoint), tmp_path / "model", FP32)
    ids = Encoder.load(tmp_path / "model").runtime.tokenise(["the cat " * 40]).ids[0]
    assert (len(ids), ids[0], ids[-1]) == (16, 2, tiny_tokenizer().token_to_id("!"))


def test_the_tokenizer_is_part_of_the_identity(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    plain = export(str(checkpoint), tmp_path / "plain", FP32)
    (checkpoint / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    cased = export(str(checkpoint), tmp_path / "cased", FP32)
    assert plain.fingerprint != cased.fingerprint
    encoders = [Encoder.load(tmp_path / name) for name in ("plain", "cased")]
    assert [encoder.runtime.tokenise(["The"]).ids == encoder.runtime.tokenise(["the"]).ids for encoder in encoders] == [
        True,
        False,
    ]


def test_a_tokenizer_that_is_none_is_the_checkpoints_fault(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "tokenizer.json").write_text("{}")
    with pytest.raises(SourceError, match=r"checkpoint/tokenizer\.json is not a readable tokenizer .*fetch it again"):
        export(str(checkpoint), tmp_path / "model", FP32)
