"""The tokenizer of a model folder against transformers' own, which sentence-transformers uses."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer, normalizers

from conftest import VOCABULARY, add_dense, make_checkpoint
from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.tokenizer import read_tokenizer
from export.checkpoint.test_tokenizer import CASED, UNCASED, folder_of
from export.checkpoint.test_vocabulary import write_pieces, write_words

transformers = pytest.importorskip("transformers", reason="needs the extra dev-optimum: make test-optimum")
sentence_transformers = pytest.importorskip("sentence_transformers", reason="the same")

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.optimum

NAMED = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "bos_token": "<s>"}
TEXTS = ["The Café 東京", "the cafe", "", "THE ΣΊΣΥΦΟΣ"]


@pytest.mark.parametrize("normalizer", [CASED, UNCASED])
@pytest.mark.parametrize("tokenizer", ["Bert", "DistilBert", "Electra", "MPNet", "PreTrained"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"do_lower_case": True}, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}],
)
def test_case_and_accents_are_as_transformers_has_them(
    tmp_path: Path, normalizer: normalizers.Normalizer, tokenizer: str, settings: dict[str, Any]
) -> None:
    name = f"{tokenizer}Tokenizer{'Fast' if tokenizer == 'PreTrained' else ''}"
    config = {**NAMED, **settings, "tokenizer_class": name}
    folder = folder_of(tmp_path, normalizer, {"tokenizer_config.json": config})
    ours = Tokenizer.from_str(read_tokenizer(read_description(folder)))
    theirs = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    expected = [theirs(text, add_special_tokens=False).input_ids for text in TEXTS]
    assert [ours.encode(text, add_special_tokens=False).ids for text in TEXTS] == expected


def test_the_end_of_a_text_is_as_transformers_has_it(tmp_path: Path) -> None:
    config = {**NAMED, "eos_token": "</s>", "add_eos_token": True, "add_bos_token": True}
    files = {"tokenizer_config.json": {**config, "tokenizer_class": "LlamaTokenizer"}}
    folder = folder_of(tmp_path, CASED, files, model_type="mistral")
    theirs = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert (
        Tokenizer.from_str(read_tokenizer(read_description(folder))).encode("the").ids
        == theirs("the").input_ids
        == [5, 6, 4]
    )


def test_vectors_of_other_cases_are_those_of_sentence_transformers(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint", vocab_size=len(VOCABULARY)), 32)
    (checkpoint / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True, "max_seq_length": 12}))
    settings = {**NAMED, "do_lower_case": False, "tokenizer_class": "BertTokenizer", "bos_token": None}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
    (checkpoint / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_sqrt_len_tokens": True})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sentence_transformers.SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
        theirs = model.encode(["THE Cat", "Read The FILE " * 20, ""], batch_size=1, normalize_embeddings=True)
    for exporter in ("native", "optimum"):
        export(str(checkpoint), tmp_path / exporter, ExportSettings(precision="fp32", exporter=exporter))
        ours = Encoder.load(tmp_path / exporter).encode_documents(["THE Cat", "Read The FILE " * 20, ""])
        assert np.sum(ours * theirs, axis=1).min() > 0.99999


@pytest.mark.parametrize("settings", [{}, {"do_lower_case": False}, {"strip_accents": False}])
def test_a_vocabulary_file_of_bert_is_read_as_transformers_reads_it(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = write_words(tmp_path, settings)
    ours = Tokenizer.from_str(read_tokenizer(read_description(folder)))
    theirs = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    texts = [*TEXTS, "[MASK] the[SEP]"]
    assert [ours.encode(text).ids for text in texts] == [theirs(text).input_ids for text in texts]


@pytest.mark.parametrize("settings", [{}, {"add_prefix_space": True}])
def test_pieces_of_roberta_are_read_as_transformers_reads_them(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = write_pieces(tmp_path, settings)
    ours = Tokenizer.from_str(read_tokenizer(read_description(folder)))
    theirs = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    texts = ["ab abc", "", "cab", "a</s>b"]
    assert [ours.encode(text).ids for text in texts] == [theirs(text).input_ids for text in texts]
