from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.records import JSON, Chunk
from embed_plugin.ingest.stores.payload_layout import (
    LAYOUTS,
    LEDGER_KEYS,
    LayoutName,
    chunk_of,
    layout_of,
    payload_path,
)

NAMES = get_args(LayoutName)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.text() | st.sampled_from([*LEDGER_KEYS, "_node_content", "doc_id", "text", "page_content", "metadata"])


def chunk(text: str = "first text", metadata: dict[str, JSON] | None = None) -> Chunk:
    return Chunk("notes.md", 1, 3, text, metadata or {}, "m", "r", 4)


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(), metadata=st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_was_written_is_read_again(name: LayoutName, text: str, metadata: dict[str, JSON]) -> None:
    written = chunk(text, metadata)
    read = chunk_of(LAYOUTS[name], "id", LAYOUTS[name].write(written, "id"))
    cited = {"record_id": "notes.md", "chunk": 1, **metadata}
    assert (read.source_id, read.index, read.text, read.metadata) == ("notes.md", 1, text, cited)
    assert read.stored == (written.text_hash, "r", "m", 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_is_at_the_top_and_metadata_cannot_hide_it(name: LayoutName) -> None:
    payload = LAYOUTS[name].write(chunk(metadata=dict.fromkeys(LEDGER_KEYS, "mine")), "id")
    assert set(LEDGER_KEYS) <= payload.keys()
    assert "mine" not in [payload[key] for key in LEDGER_KEYS]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("payload", [{}, {"_node_content": "no JSON", "chunk_index": "x", "metadata": 3}])
def test_a_point_of_somebody_else_has_no_source(name: LayoutName, payload: dict[str, object]) -> None:
    read = chunk_of(LAYOUTS[name], "id", payload)
    assert (read.source_id, read.index, read.text, read.metadata) == ("", 0, "", {})
    assert read.stored == ("", "", "", 0)


def test_langchain_finds_page_content_and_metadata() -> None:
    payload = LAYOUTS["langchain"].write(chunk(metadata={"page": 3}), "id")
    assert payload["page_content"] == "first text"
    assert payload["metadata"] == {"record_id": "notes.md", "chunk": 1, "page": 3}


def test_llama_index_finds_metadata_at_the_top_for_its_filters() -> None:
    payload = LAYOUTS["llama-index"].write(chunk(metadata={"page": 3}), "id")
    assert (payload["page"], payload["ref_doc_id"]) == (3, "notes.md")


def test_the_plain_payload_is_as_documented() -> None:
    where = {"source_name": "notes", "file": "a.md", "path": "/home/ada/notes/a.md"}
    chunk = Chunk("a.md", 1, 3, "text", {"kind": "note"}, "m" * 64, "r" * 64, 3, **where, start=12)  # type: ignore[arg-type]
    payload = LAYOUTS["plain"].write(chunk, "id")
    assert payload.pop("text_hash") == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    assert payload == {
        "text": "text",
        "source_name": "notes",
        "source_file": "a.md",
        "source_id": "a.md",
        "chunk_index": 1,
        "chunk_count": 3,
        "record_hash": "r" * 64,
        "metadata_hash": "m" * 64,
        "metadata": {
            "source": "/home/ada/notes/a.md",
            "title": "a.md",
            "record_id": "a.md",
            "chunk": 1,
            "start": 12,
            "end": 16,
            "kind": "note",
        },
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_record_s_own_key_takes_precedence_over_that_of_the_citation(name: LayoutName) -> None:
    own: dict[str, JSON] = {
        "source": "https://example.org/a",
        "title": "A",
        "chunk": "one",
        "record_id": 7,
        "start": "x",
    }
    written = Chunk("a.md", 0, 1, "text", own, "m", "r", 3, file="a.md", path="/a.md", start=0)
    assert LAYOUTS[name].metadata(LAYOUTS[name].write(written, "id")) == {**own, "end": 4}


@pytest.mark.parametrize(
    ("payload", "layout"),
    [
        ({"_node_content": "{}", "text": "x", "page_content": "y"}, "llama-index"),
        ({"page_content": "y", "text": "x"}, "langchain"),
        ({"text": "x"}, "plain"),
        ({"body": "x", "metadata": {"text": "y"}}, None),
    ],
)
def test_the_layout_of_another_program_is_told_by_its_keys(payload: dict[str, str], layout: str | None) -> None:
    assert layout_of(payload) == layout


@given(text=st.text(), metadata=st.dictionaries(st.text(), VALUES, max_size=3), hidden=st.sets(st.text()))
def test_the_text_of_a_node_is_the_one_that_llama_index_embeds(
    text: str, metadata: dict[str, JSON], hidden: set[str]
) -> None:
    schema = pytest.importorskip("llama_index.core.schema")
    to_payload = pytest.importorskip("llama_index.core.vector_stores.utils").node_to_metadata_dict
    excluded = [*hidden, *list(metadata)[:1]]
    node = schema.TextNode(text=text, metadata=metadata, excluded_embed_metadata_keys=excluded)
    assert LAYOUTS["llama-index"].embedded_text(to_payload(node)) == node.get_content(schema.MetadataMode.EMBED)


def test_a_node_may_have_its_text_in_a_resource() -> None:
    node = {"text_resource": {"text": "x"}, "metadata": {"a": 1}}
    assert LAYOUTS["llama-index"].embedded_text({"_node_content": json.dumps(node)}) == "a: 1\n\nx"


def test_a_template_in_a_payload_is_filled_and_not_run() -> None:
    template = "{content.__class__}{metadata_str}{content:9}"
    node = {"text": "x", "metadata": {"a": "{content}"}, "text_template": template}
    found = LAYOUTS["llama-index"].embedded_text({"_node_content": json.dumps(node)})
    assert found == "{content.__class__}a: {content}{content:9}"


@pytest.mark.parametrize("payload", [{}, {"text": None}, {"text": 3}, {"_node_content": "[]"}])
def test_a_payload_without_a_text_has_none(payload: dict[str, object]) -> None:
    assert [LAYOUTS[name].embedded_text(payload) for name in NAMES] == [None, None, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_condition_names_what_the_payload_has(name: LayoutName) -> None:
    layout = LAYOUTS[name]
    own: dict[str, JSON] = {"year": 1, "source": "own", "metadata": 2, "of": {"source": 3}, "record": "mine"}
    payload = layout.write(chunk(metadata=own), "id")
    paths: dict[tuple[str, ...], JSON] = {
        ("year",): 1,
        ("metadata", "year"): 1,
        ("metadata", "source"): "own",
        ("metadata", "record"): "mine",
        ("metadata",): 2,
        ("of", "source"): 3,
        ("record",): "notes.md",
        ("source",): "",
    }
    for path, value in paths.items():
        found: Any = payload
        for key in payload_path(layout, path):
            found = found[key]
        assert found == value
