from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected
from embed_plugin.ingest.read.fields import Origin
from embed_plugin.ingest.read.formats.delimited import record_of_rejected

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.ingest import JSON


def read(tmp_path: Path, content: str | bytes, settings: ReaderSettings | None = None) -> list[Record | Rejected]:
    file = tmp_path / "a.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(RecordReader([tmp_path], settings=settings))


def test_columns_are_chosen_by_name_and_the_others_are_metadata(tmp_path: Path) -> None:
    settings = ReaderSettings(id_field="key", text_fields=("title", "body"))
    found = read(tmp_path, "year,key,title,body\n1999,x,One,two\n", settings)
    assert found == [Record("x", "One\ntwo", {"year": "1999"})]


def test_a_row_of_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    found = read(tmp_path, 'text,n\r\n"one, ""two""\r\nthree",1\r\n\r\nfour,2\r\n')
    assert found == [Record("a.csv#2", 'one, "two"\r\nthree', {"n": "1"}), Record("a.csv#5", "four", {"n": "2"})]


def test_another_delimiter_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, "n;text\n1;a,b\n", ReaderSettings(delimiter=";")) == [Record("a.csv#2", "a,b", {"n": "1"})]


def test_a_cell_may_be_longer_than_the_csv_module_allows_by_itself(tmp_path: Path) -> None:
    (record,) = read(tmp_path, "text\n" + "x" * 200_000)
    assert isinstance(record, Record)
    assert len(record.text) == 200_000


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,b,c", "3 cells, expected 2 as the first row has"),
        ("a", "1 cells, expected 2"),
        ('"a"b,c', "not a row"),
        ("a\0b,c", "found a NUL character"),
        ("caf\udce9,c", "not UTF-8 (byte 0xe9)"),
    ],
)
def test_a_bad_row_is_rejected_with_its_place_and_reading_goes_on(tmp_path: Path, row: str, says: str) -> None:
    content = f"text,n\ngood,1\n{row}\ngood,2\n".encode("utf-8", "surrogateescape")
    first, bad, last = read(tmp_path, content)
    assert isinstance(bad, Rejected)
    assert says in bad.reason
    assert bad.place == f"{tmp_path}/a.csv:3"
    assert (first.source_id, last.source_id) == ("a.csv#2", "a.csv#4")


def test_a_quote_that_is_never_closed_is_rejected_with_the_line_where_it_opens(tmp_path: Path) -> None:
    first, bad = read(tmp_path, 'text\ngood\n"open\nmore\n')
    assert isinstance(bad, Rejected)
    assert bad.reason.startswith(f"{tmp_path}/a.csv:3: not a row (unexpected end of data)")
    assert first.source_id == "a.csv#2"


@pytest.mark.parametrize(
    ("rows", "lines", "after"),
    [
        ('one,1\n"open,2\n\nmore,3\nmore,4\n', 3, 0),  # to the end of the file
        ('one,1\n"open,2\nmore,3\nmore,4"junk,5\nlast,6\n', 3, 1),  # to a quote that is followed by more
        ('one,1\n"open,2\nmore,3\nmore,4"\nlast,6\n', 3, 1),  # a row of too few cells
        ("one,1\nbad,2,2\nlast,6\n", 1, 1),
    ],
)
def test_the_rows_that_a_rejection_swallowed_are_counted(tmp_path: Path, rows: str, lines: int, after: int) -> None:
    first, bad, *last = read(tmp_path, "text,n\n" + rows)
    assert isinstance(bad, Rejected)
    assert (bad.record_count, len(last)) == (lines, after)
    assert (f"It takes {lines} lines, up to line" in bad.reason) == (lines > 1)
    assert first.source_id == "a.csv#2"


def test_a_record_of_several_lines_that_is_rejected_for_its_content_is_one(tmp_path: Path) -> None:
    (bad,) = read(tmp_path, 'text,n\n"one\n\0two\nthree",1\n')
    assert isinstance(bad, Rejected)
    assert bad.record_count == 1


def test_columns_that_nobody_asked_for_may_have_equal_names_or_none(tmp_path: Path) -> None:
    content = "text,n,n,,\none,1,2,3,4\n"
    assert read(tmp_path, content) == [Record("a.csv#2", "one", {"n": ["1", "2"]})]
    assert read(tmp_path, content, ReaderSettings(metadata_fields=())) == [Record("a.csv#2", "one")]
    assert read(tmp_path, "text,\none,4\n", ReaderSettings(id_field="")) == [Record("4", "one")]


@pytest.mark.parametrize(
    "settings",
    [ReaderSettings(id_field="n"), ReaderSettings(metadata_fields=("n",)), ReaderSettings(text_fields=("n",))],
)
def test_a_column_that_was_asked_for_may_not_be_there_twice(tmp_path: Path, settings: ReaderSettings) -> None:
    (rejected,) = read(tmp_path, "text,n,n\none,1,2\n", settings)
    assert isinstance(rejected, Rejected)
    assert "a.csv: the column 'n' is there twice (columns: text, n, n)" in rejected.reason


def test_a_quote_in_tsv_is_a_character_unless_it_is_read_as_csv(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text('text\tn\n"12" wide\t1\n"open\t2\n"shut"\t3\n')
    found = list(RecordReader([tmp_path]))
    assert [item.text for item in found if isinstance(item, Record)] == ['"12" wide', '"open', '"shut"']
    file.write_text('text\tn\n"a\tb"\t1\n')
    quoted = ReaderSettings(format="csv", delimiter="\t")
    assert list(RecordReader([file], settings=quoted)) == [Record("a.tsv#2", "a\tb", {"n": "1"})]
    unquoted = ReaderSettings(format="tsv", delimiter=",")
    (tmp_path / "b").write_text('text,n\n"a,1\n')
    assert list(RecordReader([tmp_path / "b"], settings=unquoted)) == [Record("b#2", '"a', {"n": "1"})]


def test_a_line_longer_than_a_record_may_be_is_rejected_alone(tmp_path: Path) -> None:
    found = read(tmp_path, f"text\none\n{'x' * 200}\nthree\n", ReaderSettings(max_record_bytes=100))
    assert [item.place.rpartition(":")[2] for item in found if isinstance(item, Rejected)] == ["3"]
    assert [item.source_id for item in found if isinstance(item, Record)] == ["a.csv#2", "a.csv#4"]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("body,n", "no column 'text' (columns: body, n). Choose with --id-field, --text-field"),
        ("text,text", "the column 'text' is there twice (columns: text, text)"),
        ("text,caf\udce9", "a.csv:1: not UTF-8"),
        ('"text"x', "not a row"),
    ],
)
def test_without_the_columns_that_are_needed_the_file_is_rejected_once(tmp_path: Path, header: str, says: str) -> None:
    rejected, *others = read(tmp_path, f"{header}\na,b\n".encode("utf-8", "surrogateescape"))
    assert isinstance(rejected, Rejected)
    assert says in rejected.reason
    assert (rejected.source_id, others) == (None, [])


def test_other_encodings_are_decoded_cell_by_cell(tmp_path: Path) -> None:
    content = 'größe,text\n"ä""ö",表\n'.encode("gb18030")
    settings = ReaderSettings(encoding="gb18030")
    assert read(tmp_path, content, settings) == [Record("a.csv#2", "表", {"größe": 'ä"ö'})]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    assert read(tmp_path, "") == read(tmp_path, "text\n") == []


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n"])
def test_a_delimiter_that_is_none_is_refused(delimiter: str) -> None:
    with pytest.raises(InvalidInputError, match="the delimiter is"):
        ReaderSettings(delimiter=delimiter)


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("id;text;preis\n1;eins;1,5\n", ";"),
        ("id\ttext\n1\teins\n", "\t"),
        ('"id"|"text"|"a, b"\n1|eins|2\n', "|"),
        ("id;text;price, EUR\n1;eins;1,5\n", ";"),
    ],
)
def test_another_delimiter_is_noticed_and_the_advice_works(tmp_path: Path, content: str, delimiter: str) -> None:
    (rejected,) = read(tmp_path, content)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.endswith(f"If they are, give --delimiter {delimiter!r}")
    assert "--text-field" not in rejected.reason
    (record,) = read(tmp_path, content, ReaderSettings(delimiter=delimiter))
    assert isinstance(record, Record)
    assert record.text == "eins"


def test_a_row_for_excel_is_told_as_such(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, "sep=;\nid;text\n1;eins\n")
    assert isinstance(rejected, Rejected)
    assert rejected.reason.endswith("'sep=;' is for Excel alone. Delete it, and give --delimiter ';'")


def test_a_carriage_return_outside_quotes_is_told_in_words_for_the_file_s_owner(tmp_path: Path) -> None:
    rejected, record = read(tmp_path, 'text,n\nbad\rcell,1\n"good\rcell",2\n')
    assert isinstance(rejected, Rejected)
    assert "a.csv:2: not a row (a carriage return outside quotes). Quote its cells" in rejected.reason
    assert isinstance(record, Record)
    assert record.text == "good\rcell"


def test_numbers_are_numbers_if_asked_for_but_never_the_id_or_the_text(tmp_path: Path) -> None:
    settings = ReaderSettings(id_field="key", infer_types=True)
    found = read(tmp_path, "key,text,year,price,new,day,zip\n7,12,1999,1.50,true,2024-05-31,007\n", settings)
    metadata: dict[str, JSON] = {"year": 1999, "price": 1.5, "new": True, "day": "2024-05-31", "zip": "007"}
    assert found == [Record("7", "12", metadata)]
    assert read(tmp_path, "text,n\na,1\n") == [Record("a.csv#2", "a", {"n": "1"})]


def test_a_rejected_row_has_numbers_when_it_is_tried_again() -> None:
    raw: dict[str, JSON] = {"header": ["text", "n"], "cells": ["a", "1"]}
    found = record_of_rejected(raw, Origin("a.csv", "a.csv", 2), ReaderSettings(infer_types=True))
    assert found == Record("a.csv#2", "a", {"n": 1})
