from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import RecordError
from embed_plugin.ingest import Record, point_id
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.records import canonical_json

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
json_objects = st.dictionaries(
    names, st.recursive(st.none() | st.booleans() | st.integers() | names, st.lists, max_leaves=5)
)


@given(names, names, st.integers(0, 10_000))
def test_an_id_is_a_uuid_that_depends_on_namespace_key_and_index_alone(namespace: str, key: str, index: int) -> None:
    first = point_id(namespace, key, index)
    assert first == point_id(namespace, key, index) == str(uuid.UUID(first))
    assert first not in {point_id(namespace + "x", key, index), point_id(namespace, key, index + 1)}


def test_ids_stay_the_same_from_release_to_release() -> None:
    assert point_id("docs", record_key("", "a.md"), 0) == "3e91fc28-d6fe-5a61-bac4-6b4a29dbaa31"
    assert point_id("docs", record_key("guide", "a.md"), 0) == "db5d3c3d-37eb-5256-804b-473b068ba770"


@given(json_objects)
def test_the_metadata_hash_does_not_depend_on_the_order_of_the_keys(metadata: dict[str, None]) -> None:
    turned = dict(reversed(metadata.items()))
    assert Record("a", "text", metadata).metadata_hash == Record("a", "text", turned).metadata_hash


def test_canonical_json_keeps_characters_as_they_are() -> None:
    assert canonical_json({"b": ["ü", 1], "a": None}) == '{"a":null,"b":["ü",1]}'


@pytest.mark.parametrize("text", ["", " \n\t", "\0\0", " \0 "])
def test_whitespace_and_nul_are_an_empty_record(text: str) -> None:
    assert Record("a", text).is_empty


@pytest.mark.parametrize(
    ("source_id", "text", "metadata", "says"),
    [
        ("", "text", {}, "id is empty"),
        ("a", "\ud800", {}, "lone surrogate"),
        ("a\udfff", "text", {}, "lone surrogate"),
        ("a", "text", {"k": ["\ud800"]}, "lone surrogate"),
        ("a", "text", {"k": float("nan")}, "not JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_where_it_was_read(
    source_id: str, text: str, metadata: dict[str, float | list[str]], says: str
) -> None:
    with pytest.raises(RecordError, match=rf"notes\.jsonl:7: .*{says}"):
        Record(source_id, text, metadata, place="notes.jsonl:7")  # type: ignore[arg-type]
