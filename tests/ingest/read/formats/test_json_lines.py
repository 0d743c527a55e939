from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path, *objects: object) -> Path:
    file = folder / "notes.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in objects))
    return file


def read(file: Path, settings: ReaderSettings | None = None) -> list[Record | Rejected]:
    return list(RecordReader([file], settings=settings))


def test_the_fields_that_are_neither_id_nor_text_are_the_metadata(tmp_path: Path) -> None:
    file = lines(tmp_path, {"name": 7, "body": "hello", "tags": ["x"]})
    settings = ReaderSettings(id_field="name", text_fields=("body",))
    assert read(file, settings) == [Record("7", "hello", {"tags": ["x"]})]


def test_several_text_fields_are_joined_and_empty_ones_left_out(tmp_path: Path) -> None:
    file = lines(tmp_path, {"title": "One", "text": "two"}, {"title": "", "text": "three"})
    settings = ReaderSettings(text_fields=("title", "text"))
    assert [item.text for item in read(file, settings) if isinstance(item, Record)] == ["One\ntwo", "three"]


def test_only_chosen_fields_become_metadata_also_where_they_are_the_text(tmp_path: Path) -> None:
    file = lines(tmp_path, {"title": "One", "text": "two", "year": 1999, "draft": True}, {"title": "", "text": "x"})
    first, second = read(file, ReaderSettings(text_fields=("text",), metadata_fields=("year", "title")))
    assert first == Record("notes.jsonl#1", "two", {"title": "One", "year": 1999})
    assert second == Record("notes.jsonl#2", "x", {"title": ""})


def test_without_an_id_field_a_record_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = lines(tmp_path, {"text": "one", "id": 3})
    file.write_text(file.read_text() + "\n\n" + json.dumps({"text": "two"}))
    assert read(tmp_path) == [Record("notes.jsonl#1", "one", {"id": 3}), Record("notes.jsonl#4", "two")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[1]", "found a list, expected a JSON object"),
        (b'{"txt": "a"}', "no field 'text' (fields: txt). Choose another one with --text-field"),
        (b'{"text": 1}', "the field 'text' is a number, expected a string"),
        (b'{"text": null}', "the field 'text' is null, expected a string"),
        (b'{"text": "a", "x": NaN}', "NaN is no JSON number"),
        (b'{"text": "a", "x": 1e999}', "the metadata is not JSON"),
        (b'{"text": "a", "text": "b"}', "the key 'text' is there twice"),
        (b'{"text": "a", "x": {"y": 1, "y": 2}}', "the key 'y' is there twice"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
        (b'{"text": "a", "\\udfff": 1}', "lone surrogate"),
        (b'{"text": "a\\u0000b"}', "found a NUL character"),
        (b'{"text": "a\x00b"}', "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8 (byte 0xff)"),
        (b"[" * 100_000, "not JSON (nested in more than 64 levels of objects and lists)"),
        (b'{"a":' * 100_000, "not JSON (nested in more than 64 levels"),
        (b'{"text": "a", "x": ' + b"[" * 64 + b"]" * 64 + b"}", "too deep ('x': nested in more than 64 levels"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_line_is_rejected_with_its_place_and_reading_goes_on(tmp_path: Path, line: bytes, says: str) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_bytes(b'{"text": "good"}\n\n' + line + b'\n{"text": "good"}')
    first, bad, last = read(tmp_path)
    assert isinstance(bad, Rejected)
    assert bad.reason.startswith(f"{file}:3: ")
    assert says in bad.reason
    assert (bad.place, bad.source_id) == (f"{file}:3", "notes.jsonl#3")
    assert (first.source_id, last.source_id) == ("notes.jsonl#1", "notes.jsonl#4")


@pytest.mark.parametrize("digits", [20, 5000])
def test_an_integer_of_many_digits_is_kept_as_text_also_as_an_id(tmp_path: Path, digits: int) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text(f'{{"id": {"9" * digits}, "text": "a", "x": [-{"8" * digits}], "y": {2**63 - 1}}}')
    (record,) = read(file, ReaderSettings(id_field="id"))
    assert record == Record("9" * digits, "a", {"x": ["-" + "8" * digits], "y": 2**63 - 1})
    assert isinstance(record, Record)
    assert record.numbers_as_text == 1


@pytest.mark.parametrize("left_out", ['"title": null, ', '"title": "", ', ""])
def test_of_several_text_fields_one_that_is_missing_or_null_is_left_out(tmp_path: Path, left_out: str) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text(
        f'{{{left_out}"text": "two"}}\n{{{left_out}"text": null}}\n{{"n": 1}}\n{{"title": 1, "text": "a"}}\n'
    )
    first, empty, missing, number = read(file, ReaderSettings(text_fields=("title", "text")))
    assert first == Record("notes.jsonl#1", "two")
    assert isinstance(empty, Record)
    assert empty.is_empty
    assert isinstance(missing, Rejected)
    assert "no field 'title' (fields: n)" in missing.reason
    assert isinstance(number, Rejected)
    assert "the field 'title' is a number" in number.reason


@pytest.mark.parametrize("value", [None, True, 1.5, ["a"], {}, "", "a\0b", "\ud800"])
def test_an_id_is_a_string_or_an_integer_and_has_characters(tmp_path: Path, value: object) -> None:
    (rejected,) = read(lines(tmp_path, {"id": value, "text": "a"}), ReaderSettings(id_field="id"))
    assert isinstance(rejected, Rejected)
    assert rejected.place.endswith("notes.jsonl:1")


def test_a_line_of_ten_megabytes_is_a_record(tmp_path: Path) -> None:
    (record,) = read(lines(tmp_path, {"text": "long " * 2_000_000}))
    assert isinstance(record, Record)
    assert len(record.text) == 10_000_000


def test_a_line_longer_than_a_record_may_be_is_rejected(tmp_path: Path) -> None:
    file = lines(tmp_path, {"text": "x" * 100}, {"text": "y"})
    rejected, record = read(file, ReaderSettings(max_record_bytes=100))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == f"{file}:1: the line is longer than 100 bytes. Split it into several records"
    assert record.source_id == "notes.jsonl#2"


@pytest.mark.parametrize("fields", [(), ("text", "text")])
def test_text_fields_that_make_no_sense_are_refused(fields: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        ReaderSettings(text_fields=fields)
