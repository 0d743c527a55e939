from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.ingest import JSON


def read(folder: Path, value: JSON, settings: ReaderSettings | None = None) -> list[Record | Rejected]:
    (folder / "a.json").write_text(json.dumps(value))
    return list(RecordReader([folder], settings=settings))


def test_each_element_of_an_array_is_a_record(tmp_path: Path) -> None:
    found = read(tmp_path, [{"text": "one", "n": 1}, {"text": "two", "n": {"k": []}}])
    assert found == [Record("a.json#1", "one", {"n": 1}), Record("a.json#2", "two", {"n": {"k": []}})]


def test_an_object_is_one_record(tmp_path: Path) -> None:
    assert read(tmp_path, {"text": "one", "n": 1}) == [Record("a.json#1", "one", {"n": 1})]


def test_records_and_fields_are_found_by_their_paths(tmp_path: Path) -> None:
    items: JSON = [{"key": {"id": 7}, "content": {"body": "one", "lang": "en"}, "tags": ["x", "y"]}]
    settings = ReaderSettings(
        records_path="data.0.items", id_field="key.id", text_fields=("content.body",), metadata_fields=("tags.1",)
    )
    assert read(tmp_path, {"data": [{"items": items}]}, settings) == [Record("7", "one", {"tags.1": "y"})]


def test_a_field_with_dots_comes_before_a_path_and_what_was_taken_is_no_metadata(tmp_path: Path) -> None:
    settings = ReaderSettings(text_fields=("a.b", "c.d"))
    (found,) = read(tmp_path, [{"a.b": "one", "a": {"b": "not this"}, "c": {"d": "two", "e": 1}}], settings)
    assert found == Record("a.json#1", "one\ntwo", {"a": {"b": "not this"}, "c": {"e": 1}})


def test_fields_of_json_lines_are_found_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": {"b": "cat"}}\n{"a": "dog"}\n')
    found, rejected = RecordReader([tmp_path], settings=ReaderSettings(text_fields=("a.b",)))
    assert found == Record("a.jsonl#1", "cat", {"a": {}})
    assert isinstance(rejected, Rejected)


def test_a_file_without_a_text_field_is_left_out_unless_json_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "private": true}')
    reader = RecordReader([tmp_path])
    assert list(reader) == []
    assert reader.skipped.counts == {"JSON without a text field": {".json": 1}}
    (rejected,) = RecordReader([tmp_path], settings=ReaderSettings(format="json"))
    assert isinstance(rejected, Rejected)
    assert "no field 'text' (fields: name, private)" in rejected.reason


@pytest.mark.parametrize(
    ("value", "settings", "reason"),
    [
        (["cat", {"text": "x"}], ReaderSettings(), "a.json:1: found a string, expected a JSON object"),
        ({"a": 1}, ReaderSettings(records_path="b"), "nothing at 'b' (keys: 'a'). Choose another path"),
        ([], ReaderSettings(records_path="x.y"), "nothing at 'x.y' (a list)"),
    ],
)
def test_what_is_no_record_is_rejected(tmp_path: Path, value: JSON, settings: ReaderSettings, reason: str) -> None:
    rejected = read(tmp_path, value, settings)[0]
    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason


def test_what_is_no_json_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "x"} // why')
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "a.json: not JSON (Extra data" in rejected.reason
