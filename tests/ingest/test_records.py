from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import RecordError
from embed_plugin.ingest import Record, Rejected, point_id
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
        ("a", "text", {"\ud800": 1}, "lone surrogate"),
        ("a", "text", {"k": {1: "v"}}, "not JSON .'k': the key 1 is no string"),
        ("a", "text", {"k": b"v"}, "not JSON .'k': bytes is no JSON"),
        ("a", "text", {"k": [Decimal("1.5")]}, "not JSON .'k': Decimal is no JSON"),
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


def nested(levels: int, *, kind: str) -> object:
    value: object = "x"
    for level in range(levels):
        value = [value] if kind == "list" or (kind == "both" and level % 2) else {"k": value}
    return value


@pytest.mark.parametrize("kind", ["list", "object", "both"])
def test_metadata_may_have_64_levels_itself_included(kind: str) -> None:
    deepest = {"k": nested(63, kind=kind)}
    assert Record("a", "text", deepest).metadata == deepest  # type: ignore[arg-type]
    for levels in (64, 100_000):
        with pytest.raises(
            RecordError, match=r"record 'a': the metadata is too deep \('k': nested in more than 64 levels"
        ):
            Record("a", "text", {"k": nested(levels, kind=kind)})  # type: ignore[dict-item]


def test_an_integer_beyond_64_bits_is_stored_as_its_text_and_counted() -> None:
    given = {"a": 2**63, "b": [-(2**63) - 1, {"c": 10**5000}], "least": -(2**63), "most": 2**63 - 1, "yes": True}
    record = Record("a", "text", given)  # type: ignore[arg-type]
    texts = {"a": "9223372036854775808", "b": ["-9223372036854775809", {"c": "1" + "0" * 5000}]}
    assert record.metadata == {**given, **texts}
    assert record.numbers_as_text == 3
    assert record.metadata_hash == Record("a", "text", record.metadata).metadata_hash


def test_a_rejection_escapes_what_is_not_unicode() -> None:
    rejected = Rejected("caf\udce9: no", "caf\udce9:1", "\ud800", record="\udce9")
    assert (rejected.reason, rejected.place, rejected.source_id) == (r"caf\udce9: no", r"caf\udce9:1", r"\ud800")
    assert rejected.record == "\udce9"  # what is tried again stays as it is


def test_a_record_that_is_located_is_another_version_of_it_by_its_hash() -> None:
    record = Record("a", "text", {"n": 2**63})
    located = record.located(source_name="notes", file="a.md", path="/notes/a.md")
    again = Record("a", "text", {"n": 2**63}, source_name="notes", file="a.md", path="/notes/a.md")
    assert (located.key, located.metadata_hash, located.numbers_as_text) == (again.key, again.metadata_hash, 1)
    assert record.metadata_hash != located.metadata_hash
