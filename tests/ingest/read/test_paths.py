from __future__ import annotations

import gc
import gzip
import io
import json
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import MissingExtraError, RecordError
from embed_plugin.extras import PACKAGES_OF_EXTRA
from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected
from embed_plugin.ingest.rejected.letter import line_of

if TYPE_CHECKING:
    from pathlib import Path


def read(*paths: Path | str, stdin: bytes = b"", settings: ReaderSettings | None = None) -> list[Record | Rejected]:
    return list(RecordReader(paths, settings=settings, stdin=io.BytesIO(stdin)))


def lines(folder: Path, *objects: object) -> Path:
    file = folder / "notes.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in objects))
    return file


def test_a_folder_is_read_in_sorted_order_with_ids_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs/b").mkdir(parents=True)
    for name in ("b/two.rst", "a.md", "c.txt", "b/one.markdown", "d.py", ".hidden.txt", "image.png"):
        (tmp_path / "docs" / name).write_text(name)
    from_elsewhere = read(tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    assert (
        read("docs")
        == from_elsewhere
        == [
            Record("a.md", "a.md", syntax="markdown"),
            Record("b/one.markdown", "b/one.markdown", syntax="markdown"),
            Record("b/two.rst", "b/two.rst"),
            Record("c.txt", "c.txt"),
            Record("d.py", "d.py", syntax="python"),
        ]
    )


def test_a_file_that_is_named_is_read_as_text_whatever_its_suffix(tmp_path: Path) -> None:
    file = tmp_path / "LICENSE"
    file.write_text("free")
    assert read(file) == [Record("LICENSE", "free")]


def test_each_format_is_read_by_its_suffix_and_lines_are_unzipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,n\none,1\n")
    (tmp_path / "b.tsv").write_text("n\ttext\n2\ttwo\n")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "three", "n": 3}\n'))
    (tmp_path / "d.html").write_text("<title>four</title><h1>Four</h1>")
    assert read(tmp_path) == [
        Record("a.csv#2", "one", {"n": "1"}),
        Record("b.tsv#2", "two", {"n": "2"}),
        Record("c.jsonl.gz#1", "three", {"n": 3}),
        Record("d.html", "# Four", {"title": "four"}, syntax="markdown"),
    ]


def test_a_format_that_is_chosen_holds_for_named_files_and_chooses_among_those_of_folders(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\none\n")
    (tmp_path / "b.csv").write_text("text\ntwo\n")
    chosen = ReaderSettings(format="csv")
    assert [item.source_id for item in read(tmp_path, settings=chosen)] == ["b.csv#2"]
    assert read(tmp_path / "a.txt", settings=chosen) == [Record("a.txt#2", "one")]


def test_stdin_is_json_lines_unless_another_format_of_lines_is_chosen() -> None:
    line = b'{"text": "one"}\n'
    assert read("-", stdin=line) == [Record("stdin#1", "one")]
    assert read("-", stdin=line, settings=ReaderSettings(format="text")) == [Record("stdin#1", '{"text": "one"}')]
    assert read("-", stdin=b"text\none", settings=ReaderSettings(format="csv")) == [Record("stdin#2", "one")]


@pytest.mark.parametrize("chosen", ["html", "parquet"])
def test_whole_pages_and_parquet_are_not_read_from_stdin(chosen: str) -> None:
    with pytest.raises(RecordError, match=f"{chosen} is not read from stdin"):
        RecordReader(["-"], settings=ReaderSettings(format=chosen))


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file or folder"):
        RecordReader([tmp_path, tmp_path / "nowhere"])


@pytest.mark.parametrize(("name", "extra"), [("a.parquet", "parquet"), ("a.pdf", "documents")])
def test_a_format_without_its_extra_is_refused_at_once_where_it_is_named_and_rejected_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, extra, ("a_package_that_is_not_there",))
    (tmp_path / name).write_bytes(b"%PDF-" if name == "a.pdf" else b"PAR1")
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(MissingExtraError, match=rf"pip install 'embed-plugin\[{extra}\]'"):
        RecordReader([tmp_path / name])
    reader = RecordReader([tmp_path])
    rejected, record = reader
    assert isinstance(rejected, Rejected)
    assert f"pip install 'embed-plugin[{extra}]', or leave it out with --exclude" in rejected.reason
    assert (rejected.source_id, record.source_id) == (None, "b.txt")


def test_the_bytes_to_read_are_known_unless_stdin_or_a_pipe_is_read(tmp_path: Path) -> None:
    lines(tmp_path, {"text": "one"})
    reader = RecordReader([tmp_path])
    list(reader)
    assert reader.total_bytes == reader.bytes_read == 16
    assert RecordReader([tmp_path, "-"]).total_bytes is None
    os.mkfifo(tmp_path / "pipe")
    assert RecordReader([tmp_path / "pipe"]).total_bytes is None


@pytest.mark.parametrize(("fields", "source_id"), [({"id": "a", "text": 1}, "a"), ({"text": "no id"}, None)])
def test_a_rejection_has_the_id_where_it_can_be_read(
    tmp_path: Path, fields: dict[str, object], source_id: str | None
) -> None:
    (rejected,) = RecordReader([lines(tmp_path, fields)], settings=ReaderSettings(id_field="id"))
    assert isinstance(rejected, Rejected)
    assert rejected.source_id == source_id


def test_memory_does_not_grow_with_the_lines_of_a_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        file = lines(tmp_path, *({"text": f"line {number} " + "x" * 200} for number in range(count)))
        tracemalloc.start()
        assert sum(1 for _ in RecordReader([file])) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is made once
    assert peak(5_000) < peak(50) + 2**18


def test_memory_does_not_grow_with_the_files_of_folders(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        for number in range(count):
            folder = tmp_path / str(count) / str(number // 100)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text("x" * 100)
        tracemalloc.start()
        assert sum(1 for _ in RecordReader([tmp_path / str(count)])) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(2_000) < peak(100) + 2**17


LETTERS = line_of(Rejected("bad", "a.jsonl:1", record={"line": "x" * 200_000})) * 2


def test_dead_letters_are_no_source_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "a.rejected.jsonl").write_bytes(LETTERS)
    (tmp_path / "b.txt").write_bytes(LETTERS)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(LETTERS))
    (tmp_path / "linked.ndjson").symlink_to(tmp_path / "b.txt")
    (tmp_path / "own.jsonl").write_text('{"text": "one"}')
    found: list[tuple[str, str]] = []
    assert [item.source_id for item in RecordReader([tmp_path], on_skipped=found.append)] == ["own.jsonl#1"]
    assert dict(found) == dict.fromkeys(
        ("a.rejected.jsonl", "b.txt", "c.jsonl.gz", "linked.ndjson"), "dead-letter file"
    )


@pytest.mark.parametrize("name", ["dead.jsonl", "dead.log", "dead.jsonl.gz", "-"])
def test_dead_letters_that_are_named_are_refused_with_the_option_for_them(tmp_path: Path, name: str) -> None:
    if name != "-":
        (tmp_path / name).write_bytes(gzip.compress(LETTERS) if name.endswith("gz") else LETTERS)
    with pytest.raises(RecordError, match=r"a dead-letter file is not read as a source.*--retry-rejected FILE"):
        read(name if name == "-" else tmp_path / name, stdin=LETTERS)


def test_a_file_that_the_run_writes_is_no_source_though_it_comes_later_and_by_a_link(tmp_path: Path) -> None:
    lines(tmp_path, {"text": "one"})
    (tmp_path / "zlink.txt").symlink_to(tmp_path / "zz.txt")
    (tmp_path / "zz.txt").touch()
    reader = RecordReader([tmp_path], written=[tmp_path / "zz.txt", tmp_path / "not there"])
    items = iter(reader)
    next(items)
    (tmp_path / "zz.txt").write_text("half a let")
    assert list(items) == []
    assert reader.skipped.counts == {"dead-letter file": {".txt": 2}}
    with pytest.raises(RecordError, match="dead-letter file"):
        RecordReader([tmp_path / "zlink.txt"], written=[tmp_path / "zz.txt"])


def test_a_stream_that_was_given_stays_open() -> None:
    stream = io.BytesIO(b'{"text": "one"}\n')
    assert len(list(RecordReader(["-"], stdin=stream))) == 1
    gc.collect()
    assert not stream.closed


def test_a_file_is_read_to_its_end_unless_it_was_rejected_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,n\none,1\nbad\n")
    (tmp_path / "b.csv").write_text("other\none\n")
    (tmp_path / "c.jsonl").write_text("")
    done: list[str] = []
    list(RecordReader([tmp_path], on_read=lambda file: done.append(file.name)))
    assert done == ["a.csv", "c.jsonl"]
