"""Every kind of rejection, there and back."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin.errors import RecordError
from embed_plugin.ingest import (
    DeadLetterFile,
    Observer,
    QdrantSink,
    ReaderSettings,
    Record,
    RecordReader,
    Rejected,
    ingest,
    open_sink,
    read_dead_letters,
    records_of_documents,
)
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def letters(folder: Path, items: Iterable[Record | Rejected]) -> Path:
    """The dead-letter file of what was read."""
    with DeadLetterFile(folder.parent / "dead.jsonl") as file:
        file.write([item for item in items if isinstance(item, Rejected)])
    return file.path


def edit(path: Path, before: str, after: str) -> None:
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


@pytest.mark.parametrize(
    ("line", "then", "expected"),
    [
        (b'{"body": "one"}', ReaderSettings(text_fields=("body",)), Record("a.jsonl#2", "one")),
        (b'{"text": "caf\xe9"}', ReaderSettings(encoding="cp1252"), Record("a.jsonl#2", "café")),
        (b'{"text": "one", "id": 7}', ReaderSettings(id_field="id"), Record("7", "one")),
    ],
)
def test_a_line_is_parsed_again_with_the_settings_of_now(
    docs: Path, line: bytes, then: ReaderSettings, expected: Record
) -> None:
    (docs / "a.jsonl").write_bytes(b"\n" + line)
    first = ReaderSettings(id_field="name") if then.id_field else None
    path = letters(docs, RecordReader([docs], settings=first))
    assert [type(item) for item in read_dead_letters(path, settings=first)] == [Rejected]
    (docs / "a.jsonl").unlink()
    assert list(read_dead_letters(path, settings=then)) == [expected]


def test_a_line_edited_by_hand_is_taken_as_it_is_then(docs: Path) -> None:
    (docs / "a.jsonl").write_text('{"text": "one", "n": NaN}')
    path = letters(docs, RecordReader([docs]))
    edit(path, "NaN", "5")
    assert list(read_dead_letters(path)) == [Record("a.jsonl#1", "one", {"n": 5})]


def test_a_rejection_that_is_read_and_rejected_again_keeps_what_it_holds(docs: Path) -> None:
    (docs / "a.jsonl").write_bytes(b'{"text": "\xff"}\n{"text": 1}\n{')
    (docs / "b.csv").write_bytes(b"text,n\n\xff,1\na,b,c\n")
    (docs / "c.txt").write_bytes(b"\xff")
    parquet.write_table(pa.table({"text": [None, "b"], "n": [1, 2]}), docs / "d.parquet")
    first = [item for item in RecordReader([docs]) if isinstance(item, Rejected)]
    again = list(read_dead_letters(letters(docs, first)))
    assert len(first) == 7
    assert sorted(again, key=lambda item: item.place) == sorted(first, key=lambda item: item.place)


def test_cells_are_a_row_again(docs: Path) -> None:
    (docs / "a.csv").write_bytes(b"text,n\ncaf\xe9,1\na,b,c\n")
    path = letters(docs, RecordReader([docs]))
    edit(path, '["a", "b", "c"]', '["a, b", "c"]')
    found = list(read_dead_letters(path, settings=ReaderSettings(encoding="cp1252")))
    assert found == [Record("a.csv#2", "café", {"n": "1"}), Record("a.csv#3", "a, b", {"n": "c"})]


def test_fields_of_parquet_are_a_row_again(docs: Path) -> None:
    parquet.write_table(pa.table({"text": pa.array([None], pa.string()), "n": [1]}), docs / "a.parquet")
    path = letters(docs, RecordReader([docs]))
    edit(path, '"text": null', '"text": "mended"')
    assert list(read_dead_letters(path)) == [Record("a.parquet#1", "mended", {"n": 1})]


def test_lines_of_stdin_are_tried_again_without_it(docs: Path) -> None:
    reader = RecordReader(["-"], stdin=io.BytesIO(b'{"text": 1}'))
    path = letters(docs, reader)
    edit(path, r"{\"text\": 1}", r"{\"text\": \"one\"}")
    assert list(read_dead_letters(path)) == [Record("stdin#1", "one")]
    reader = RecordReader(["-"], stdin=io.BytesIO(b"caf\xe9"), settings=ReaderSettings(format="text"))
    path = letters(docs, reader)
    found = list(read_dead_letters(path, settings=ReaderSettings(encoding="cp1252")))
    assert found[-1] == Record("stdin#1", "café")


def test_a_record_that_was_refused_later_comes_back_whole_and_as_edited(docs: Path) -> None:
    record = Record("a", "def f(): ...", {"n": 1}, syntax="python", place="a.py")
    path = letters(docs, [Rejected.of(record, "refused", chunk_index=number) for number in range(3)])
    assert list(read_dead_letters(path)) == [record]
    edit(path, "def f", "def g")
    assert list(read_dead_letters(path)) == [Record("a", "def g(): ...", {"n": 1}, syntax="python")]


def test_what_was_left_out_of_a_record_s_file_is_known_again(docs: Path) -> None:
    (docs / "a.md").write_text("---\ntitle: A\n---\nthe cat\n")
    (read,) = RecordReader([docs / "a.md"])
    assert isinstance(read, Record)
    path = letters(docs, [Rejected.of(read, "no")])
    (again,) = read_dead_letters(path)
    assert isinstance(again, Record)
    assert (again.left_out, again.metadata_hash) == ([(0, 17, 3)], read.metadata_hash)
    edit(path, "[[0, 17, 3]]", "[[0, 17]]")
    assert [one.left_out for one in read_dead_letters(path) if isinstance(one, Record)] == [None]


def test_a_file_is_read_again_under_its_name(docs: Path) -> None:
    (docs / "b").mkdir()
    (docs / "b/a.txt").write_bytes(b"\xff")
    path = letters(docs, RecordReader([docs]))
    (docs / "b/a.txt").write_text("mended")
    assert list(read_dead_letters(path)) == [Record("b/a.txt", "mended")]
    (docs / "b/a.txt").unlink()
    (rejected,) = read_dead_letters(path)
    assert isinstance(rejected, Rejected)
    assert "no such file any more" in rejected.reason


def test_a_folder_is_read_again(docs: Path) -> None:
    (docs / "b").mkdir()
    (docs / "b/.embedignore").write_bytes(b"\xff")
    (docs / "b/a.txt").write_text("a")
    path = letters(docs, RecordReader([docs]))
    (docs / "b/.embedignore").unlink()
    assert list(read_dead_letters(path)) == [Record("b/a.txt", "a")]


def test_lines_that_were_too_long_are_read_again_from_their_file_in_one_go(docs: Path) -> None:
    long = [{"text": f"{number} " + "x" * 100} for number in range(3)]
    content = "\n".join(map(json.dumps, [long[0], {"text": "short"}, long[1], long[2]]))
    (docs / "a.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    path = letters(docs, RecordReader([docs], settings=ReaderSettings(max_record_bytes=50)))
    assert [item.source_id for item in read_dead_letters(path)] == ["a.jsonl.gz#1", "a.jsonl.gz#3", "a.jsonl.gz#4"]
    (docs / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "short"}'))
    again = list(read_dead_letters(path))
    assert [isinstance(item, Rejected) and "no such record any more" in item.reason for item in again[1:]] == [True] * 2


def test_a_row_that_is_no_row_is_read_again_from_its_file(docs: Path) -> None:
    (docs / "a.csv").write_text('text\n"a"b\nc\n')
    path = letters(docs, RecordReader([docs]))
    (docs / "a.csv").write_text('text\n"ab"\nc\n')
    assert list(read_dead_letters(path)) == [Record("a.csv#2", "ab")]


class Document:
    page_content = "one"
    metadata = {"raw": b"x"}  # noqa: RUF012 - a stand-in
    id = "a"


def test_a_document_needs_the_metadata_that_json_could_not_hold(docs: Path) -> None:
    path = letters(docs, records_of_documents([Document()]))
    (rejected,) = read_dead_letters(path)
    assert isinstance(rejected, Rejected)
    assert "no record with id, text and metadata" in rejected.reason
    edit(path, '"text": "one"', '"text": "one", "metadata": {}')
    assert list(read_dead_letters(path)) == [Record("a", "one")]


def test_of_several_lines_about_one_record_the_last_counts(docs: Path) -> None:
    for text in ("first", "second"):
        path = letters(docs, [Rejected.of(Record("a", text, place="x:1"), "refused")])
    assert list(read_dead_letters(path)) == [Record("a", "second")]


def test_half_a_line_is_said_to_be_one_and_kept(docs: Path) -> None:
    path = letters(docs, [Rejected.of(Record("a", "one"), "refused")])
    whole = path.read_text()
    path.write_text(whole + whole[:30])
    record, half = read_dead_letters(path)
    assert isinstance(half, Rejected)
    assert half.reason.startswith(f"{path}:2: half a line, of a run that was killed.")
    assert (record, half.record) == (Record("a", "one"), {"dead_letter": whole[:30]})


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"source": 1, "place": "", "reason": "", "record": {}}', "{", "[" * 9999]
)
def test_what_is_no_dead_letter_is_rejected_and_may_be_mended_later(docs: Path, line: str) -> None:
    path = docs / "dead.jsonl"
    path.write_text(line + "\n")
    (rejected,) = read_dead_letters(path)
    assert isinstance(rejected, Rejected)
    assert f"{path}:1: no" in rejected.reason
    (again,) = read_dead_letters(letters(docs, [rejected]))
    assert isinstance(again, Rejected)
    assert again.record == rejected.record


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        list(read_dead_letters(tmp_path / "dead.jsonl"))


def test_a_file_of_dead_letters_may_be_saved_by_an_editor_that_adds_a_mark_and_blank_lines(docs: Path) -> None:
    (docs / "a.jsonl").write_bytes(b'{"body": "one"}\n{"body": "two"}\n')
    path = letters(docs, RecordReader([docs]))
    for encoding in ("utf-8-sig", "utf-16"):
        (docs / "edited").write_bytes(f"\n{path.read_text()}\n".replace("\n", "\r\n").encode(encoding))
        again = read_dead_letters(docs / "edited", settings=ReaderSettings(text_fields=("body",)))
        assert [item.text for item in again if isinstance(item, Record)] == ["one", "two"]


def test_lines_in_another_encoding_keep_their_file_s_one_guess_when_they_fail_again(docs: Path) -> None:
    (docs / "a.jsonl").write_bytes("\n".join(f'{{"text": "{word}"}}' for word in ("é", "“ü”", "Œ ñ")).encode("cp1252"))
    path = letters(docs, RecordReader([docs]))
    reasons = [item.reason for item in read_dead_letters(path) if isinstance(item, Rejected)]
    assert len({reason.partition("). ")[2] for reason in reasons}) == 1
    assert all("--encoding cp1252" in reason for reason in reasons)


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        opened.prepare(FakeEncoder())
        yield opened


def rejected_while_storing(docs: Path, sink: QdrantSink, *records: Record | Rejected) -> Path:
    """The dead-letter file of a run into a collection."""
    with DeadLetterFile(docs.parent / "dead.jsonl") as file:
        ingest(records, FakeEncoder(), sink, observer=Observer(on_rejected=file.write))
    return file.path


BAD = Rejected.of(Record("a", "old"), "bad")


@pytest.mark.parametrize("before", [None, "older"])
def test_a_letter_whose_record_was_stored_since_is_left_out(docs: Path, sink: QdrantSink, before: str | None) -> None:
    if before:
        ingest([Record("a", before)], FakeEncoder(), sink)
    path = rejected_while_storing(docs, sink, BAD, Rejected.of(Record("b", "text"), "bad"))
    assert [item.source_id for item in read_dead_letters(path, sink=sink)] == ["a", "b"]
    ingest([Record("a", "new")], FakeEncoder(), sink)
    left_out: list[tuple[str, str]] = []
    letters = read_dead_letters(path, sink=sink, on_skipped=left_out.append)
    assert [item.source_id for item in letters] == ["b"]
    assert left_out == [("a", "stored since")]
    assert letters.skipped.total() == 1


def test_a_chunk_that_was_refused_is_tried_again_beside_those_that_were_stored(
    docs: Path, sink: QdrantSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = sink.upsert
    monkeypatch.setattr(
        sink,
        "upsert",
        lambda chunks, vectors: [*upsert(chunks, vectors), Rejected("bad", "", chunks[0].source_id, 0)],
    )
    path = rejected_while_storing(docs, sink, Record("a", "text"))
    (record,) = read_dead_letters(path, sink=sink)
    assert record == Record("a", "text")


def test_a_letter_that_cannot_tell_since_when_its_record_is_stored_stays(docs: Path, sink: QdrantSink) -> None:
    (docs / "a.jsonl").write_text('{"id": "a", "text": "old", "n": NaN}')
    settings = ReaderSettings(id_field="id")
    path = rejected_while_storing(docs, sink, *RecordReader([docs], settings=settings))
    edit(path, "NaN", "5")
    (record,) = read_dead_letters(path, sink=sink, settings=settings)
    assert (record.source_id, record.source_name) == ("a", "docs")
    ingest([Record("a", "new", source_name="docs")], FakeEncoder(), sink)
    (rejected,) = read_dead_letters(path, sink=sink, settings=settings)
    assert isinstance(rejected, Rejected)
    assert "its dead letter does not tell since when" in rejected.reason
    assert rejected.record == json.loads(path.read_text())["record"]


def test_a_file_that_is_read_again_is_taken_as_it_is_now(docs: Path, sink: QdrantSink) -> None:
    (docs / "a.txt").write_bytes(b"\xff")
    path = rejected_while_storing(docs, sink, *RecordReader([docs]))
    (docs / "a.txt").write_text("mended")
    ingest(RecordReader([docs]), FakeEncoder(), sink)
    (record,) = read_dead_letters(path, sink=sink)
    assert isinstance(record, Record)
    assert record.text == "mended"
