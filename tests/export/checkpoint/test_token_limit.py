"""The limit that a checkpoint was trained with, wherever the release that saved it has put it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from conftest import make_checkpoint
from embed_plugin import ExportError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.token_limit import choose_max_tokens

if TYPE_CHECKING:
    from pathlib import Path

BERT, TOKENIZER = "sentence_bert_config.json", "tokenizer_config.json"


@pytest.mark.parametrize(
    ("files", "positions", "limit"),
    [
        ({BERT: {"max_seq_length": 256}, TOKENIZER: {"model_max_length": 384}}, 512, 256),
        ({BERT: {}, TOKENIZER: {"model_max_length": 384}}, 512, 384),
        ({BERT: {"max_seq_length": None}, TOKENIZER: {"model_max_length": 128}}, 512, 128),
        ({TOKENIZER: {"model_max_length": 384}}, 512, 384),
        ({TOKENIZER: {"model_max_length": 8192}}, 512, 512),
        ({TOKENIZER: {"model_max_length": 1e30}}, 512, 512),
        ({TOKENIZER: {"model_max_length": 8192}}, None, 8192),
        ({"sentence_roberta_config.json": {"max_seq_length": 128}}, 512, 128),
        ({BERT: {"tokenizer_args": {"model_max_length": 100}}, TOKENIZER: {"model_max_length": 384}}, 512, 100),
        ({BERT: {"processor_kwargs": {"model_max_length": 100}}}, 512, 100),
        ({BERT: {"max_seq_length": 1000}}, 512, 512),
        ({}, 512, 512),
    ],
)
def test_the_trained_limit_goes_before_the_positions(
    tmp_path: Path, files: dict[str, Any], positions: int | None, limit: int
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert choose_max_tokens(read_description(tmp_path), positions, None) == limit


@pytest.mark.parametrize("limit", [0, -1, 2, True, "512", float("nan")])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, limit: object) -> None:
    (tmp_path / TOKENIZER).write_text(json.dumps({"model_max_length": limit}))
    with pytest.raises(ExportError, match=r"model_max_length is .*expected a number from 3 on: .*--max-tokens"):
        choose_max_tokens(read_description(tmp_path), 512, None)


def test_no_limit_at_all_has_to_be_said(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_text('{"model_max_length": 1000000}')
    with pytest.raises(ExportError, match="does not say how many tokens"):
        choose_max_tokens(read_description(tmp_path), None, None)


def test_the_model_folder_has_the_trained_limit(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / TOKENIZER).write_text('{"model_max_length": 40}')
    assert export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32")).max_tokens == 40
