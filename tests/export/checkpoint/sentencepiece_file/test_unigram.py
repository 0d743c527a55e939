"""Tokenizers built from SentencePiece files give transformers' ids (`references/make_sentencepiece.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from conftest import make_checkpoint
from embed_plugin import Encoder, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.tokenizer import read_tokenizer
from export.checkpoint.sentencepiece_file.test_model_proto import field

FILES = Path(__file__).parents[2] / "references" / "sentencepiece"
REFERENCE = json.loads((FILES / "ids.json").read_text(encoding="utf-8"))
XLM_R = REFERENCE["cases"]["xlm-roberta"]


def write(folder: Path, case: dict[str, Any], settings: dict[str, Any] | None = None) -> Path:
    (folder / case["name"]).write_bytes((FILES / case["file"]).read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": case["model_type"]}))
    (folder / "tokenizer_config.json").write_text(json.dumps(case["settings"] if settings is None else settings))
    return folder


def built(folder: Path) -> Tokenizer:
    return Tokenizer.from_str(read_tokenizer(read_description(folder)))


@pytest.mark.parametrize("name", REFERENCE["cases"])
def test_ids_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    case = REFERENCE["cases"][name]
    tokenizer = built(write(tmp_path, case))
    found = [tokenizer.encode(text).ids for text in REFERENCE["texts"]] + [tokenizer.encode(*REFERENCE["pair"]).ids]
    assert found == case["ids"]
    assert len(REFERENCE["texts"]) > 30


@pytest.mark.parametrize("where", ["tokenizer_config.json", "special_tokens_map.json"])
def test_flags_of_a_special_token_are_read_wherever_they_are_stated(tmp_path: Path, where: str) -> None:
    folder = write(tmp_path, XLM_R, {})
    (folder / where).write_text(json.dumps({"mask_token": {"content": "<mask>", "lstrip": True}}))
    added = built(folder).get_added_tokens_decoder().values()
    assert [token.content for token in added if token.lstrip] == ["<mask>"]


def test_a_list_of_added_tokens_must_have_the_ids_that_are_built(tmp_path: Path) -> None:
    mask = int(built(write(tmp_path, XLM_R)).token_to_id("<mask>") or 0)
    stated = {"content": "<mask>", "lstrip": True, "special": True}
    folder = write(tmp_path, XLM_R, {"added_tokens_decoder": {str(mask): stated}})
    (folder / "added_tokens.json").write_text(json.dumps({"<mask>": mask}))
    assert built(folder).get_added_tokens_decoder()[mask].lstrip
    for number, content in ((mask + 1, "<mask>"), (mask + 1, "<new>")):
        write(folder, XLM_R, {"added_tokens_decoder": {str(number): {"content": content}}})
        with pytest.raises(SourceError, match=rf"has no {content} with the id that is stated: run  python -c"):
            built(folder)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (field(2, field(3, 2)), "another model than Unigram (type 2)"),
        (field(2, field(35, 1)), "pieces for bytes (byte_fallback)"),
    ],
)
def test_another_kind_of_model_is_told_the_command(tmp_path: Path, content: bytes, found: str) -> None:
    folder = write(tmp_path, XLM_R)
    with (folder / XLM_R["name"]).open("ab") as file:
        file.write(content)
    with pytest.raises(SourceError) as refused:
        built(folder)
    assert found in str(refused.value)
    assert "AutoTokenizer as T" in str(refused.value)


def test_pieces_of_another_family_are_told_the_command(tmp_path: Path) -> None:
    case = XLM_R | {"file": "albert.model", "model_type": "t5", "name": "spiece.model"}
    with pytest.raises(SourceError, match=r"other first pieces \(<pad>, <unk>, \[CLS\]\) than its class expects"):
        built(write(tmp_path, case))
    with pytest.raises(SourceError, match="sp_model_kwargs beside it"):
        built(write(tmp_path, XLM_R, {"sp_model_kwargs": {"enable_sampling": True}}))
    with pytest.raises(SourceError, match="has no <cls> with the id"):
        built(write(tmp_path, XLM_R, {"cls_token": "<cls>"}))


@pytest.mark.parametrize(
    "settings",
    [
        {"mask_token": {"lstrip": True}},
        {"added_tokens_decoder": [1]},
        {"added_tokens_decoder": {"x": {"content": "a"}}},
    ],
)
def test_tokens_in_another_form_are_refused_with_the_files(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"in another form than .*: fetch tokenizer_config\.json and special_tok"):
        built(write(tmp_path, XLM_R, settings))


def test_a_checkpoint_with_a_sentencepiece_file_gives_the_vectors_of_its_tokenizer(tmp_path: Path) -> None:
    vocabulary = len(json.loads(read_tokenizer(read_description(write(tmp_path, XLM_R))))["model"]["vocab"])
    ready = make_checkpoint(tmp_path / "ready", model_type="xlm-roberta")
    weights = load_file(ready / "model.safetensors")
    rows = np.random.default_rng(5).standard_normal((vocabulary, 32))
    save_file(weights | {"embeddings.word_embeddings.weight": rows.astype(np.float32)}, ready / "model.safetensors")
    (ready / "tokenizer.json").unlink()
    (ready / XLM_R["name"]).write_bytes((FILES / XLM_R["file"]).read_bytes())
    (ready / "tokenizer_config.json").unlink(missing_ok=True)
    settings = ExportSettings(precision="fp32")
    export(str(ready), tmp_path / "built", settings)
    (ready / "tokenizer.json").write_text(read_tokenizer(read_description(ready)))
    export(str(ready), tmp_path / "given", settings)
    texts = REFERENCE["texts"][4:14]
    vectors = Encoder.load(tmp_path / "built").encode_documents(texts)
    assert np.array_equal(vectors, Encoder.load(tmp_path / "given").encode_documents(texts))
