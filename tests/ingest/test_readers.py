from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import RecordError
from embed_plugin.ingest import ReaderSettings, Record, RecordReader

if TYPE_CHECKING:
    from pathlib import Path


def read(*paths: Path | str, stdin: bytes = b"", settings: ReaderSettings | None = None) -> list[Record]:
    return list(RecordReader(paths, settings=settings, stdin=io.BytesIO(stdin)))


def lines(folder: Path, *objects: object) -> Path:
    file = folder / "notes.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in objects))
    return file


def test_a_folder_is_read_in_sorted_order_with_ids_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs/b").mkdir(parents=True)
    for name in ("b/two.rst", "a.md", "c.txt", "b/one.markdown", ".hidden.txt", "image.png"):
        (tmp_path / "docs" / name).write_text(name)
    from_elsewhere = read(tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    assert [record.source_id for record in from_elsewhere] == ["a.md", "b/one.markdown", "b/two.rst", "c.txt"]
    assert read("docs") == from_elsewhere
    assert [record.markdown for record in from_elsewhere] == [True, True, False, False]


def test_files_left_out_of_a_folder_are_reported(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    reader = RecordReader([tmp_path])
    assert list(reader) == []
    assert [path.name for path in reader.skipped] == ["gone.txt", "image.png"]


def test_a_file_that_is_named_is_read_as_text_whatever_its_suffix(tmp_path: Path) -> None:
    file = tmp_path / "LICENSE"
    file.write_text("free")
    assert read(file) == [Record(file.as_posix(), "free")]


def test_a_symlink_to_a_folder_around_it_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/back").symlink_to(tmp_path)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    assert [record.source_id for record in read(tmp_path)] == ["a.txt"]


def test_a_symlink_to_another_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.txt").write_text("a")
    (tmp_path / "docs/linked").symlink_to(tmp_path / "other")
    assert [record.source_id for record in read(tmp_path / "docs")] == ["linked/a.txt"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    assert read(file)[0].text == "one\ntwo"


def test_the_fields_that_are_neither_id_nor_text_are_the_metadata(tmp_path: Path) -> None:
    file = lines(tmp_path, {"name": 7, "body": "hello", "tags": ["x"]})
    assert read(file, settings=ReaderSettings(id_field="name", text_field="body")) == [
        Record("7", "hello", {"tags": ["x"]})
    ]


def test_without_an_id_field_a_record_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = lines(tmp_path, {"text": "one", "id": 3})
    file.write_text(file.read_text() + "\n\n" + json.dumps({"text": "two"}))
    assert read(tmp_path) == [Record("notes.jsonl#1", "one", {"id": 3}), Record("notes.jsonl#4", "two")]


def test_stdin_is_json_lines_or_with_format_text_a_text_a_line() -> None:
    line = b'{"text": "one"}\n'
    assert read("-", stdin=line) == [Record("stdin#1", "one")]
    assert read("-", stdin=line, settings=ReaderSettings(format="text")) == [Record("stdin#1", '{"text": "one"}')]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[1]", "found a list, expected a JSON object"),
        (b'{"txt": "a"}', "no field 'text' .fields: txt.*--text-field"),
        (b'{"text": 1}', "the field 'text' is a number, expected a string"),
        (b'{"text": "a", "x": NaN}', "NaN is no JSON number"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
        (b'{"text": "\xff"}', "not UTF-8 .byte 0xff.*iconv"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path, line: bytes, says: str) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_bytes(b'{"text": "good"}\n\n' + line)
    with pytest.raises(RecordError, match=rf"notes\.jsonl:3: .*{says}"):
        read(file)


@pytest.mark.parametrize("value", [None, True, 1.5, ["a"], {}])
def test_an_id_is_a_string_or_an_integer(tmp_path: Path, value: object) -> None:
    file = lines(tmp_path, {"id": value, "text": "a"})
    with pytest.raises(RecordError, match="expected a string or an integer"):
        read(file, settings=ReaderSettings(id_field="id"))


def test_a_text_file_that_is_not_utf_8_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("one\ntwo\ncafé".encode("latin-1"))
    with pytest.raises(RecordError, match=r"latin\.txt:3: not UTF-8 .*iconv"):
        read(tmp_path)


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file or folder"):
        RecordReader([tmp_path, tmp_path / "nowhere"])


def test_the_bytes_to_read_are_known_unless_stdin_is_read(tmp_path: Path) -> None:
    lines(tmp_path, {"text": "one"})
    reader = RecordReader([tmp_path])
    list(reader)
    assert reader.total_bytes == reader.bytes_read == 16
    assert RecordReader([tmp_path, "-"]).total_bytes is None
