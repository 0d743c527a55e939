from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, columns: dict[str, list[object]], *, rows_in_a_group: int = 2) -> Path:
    file = folder / "a.parquet"
    parquet.write_table(pa.table(columns), file, row_group_size=rows_in_a_group)
    return file


def test_rows_are_read_over_row_groups_and_named_by_their_number(tmp_path: Path) -> None:
    write(tmp_path, {"text": ["one", "two", "three"], "n": [1, 2, None]})
    reader = RecordReader([tmp_path])
    assert list(reader) == [
        Record("a.parquet#1", "one", {"n": 1}),
        Record("a.parquet#2", "two", {"n": 2}),
        Record("a.parquet#3", "three", {"n": None}),
    ]
    assert reader.bytes_read == reader.total_bytes


def test_values_become_json_where_they_can(tmp_path: Path) -> None:
    day = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
    write(tmp_path, {"text": ["a"], "day": [day], "price": [Decimal("1.50")], "x": [float("nan")], "l": [[{"k": 1}]]})
    (record,) = RecordReader([tmp_path])
    assert isinstance(record, Record)
    assert record.metadata == {"day": "2026-01-02T03:04:00+00:00", "price": "1.50", "x": None, "l": [{"k": 1}]}


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, {"key": [1], "text": ["a"], "big": [b"\xff"], "year": [1999]})
    (rejected,) = RecordReader([file])
    assert isinstance(rejected, Rejected)
    assert "a.parquet:1: the column 'big' holds what JSON has no word for (bytes is no JSON)" in rejected.reason
    settings = ReaderSettings(id_field="key", metadata_fields=("year",))
    assert list(RecordReader([file], settings=settings)) == [Record("1", "a", {"year": 1999})]


def test_a_bad_row_is_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    write(tmp_path, {"text": ["one", None, "three"]})
    first, bad, last = RecordReader([tmp_path])
    assert isinstance(bad, Rejected)
    assert bad.reason == f"{tmp_path}/a.parquet:2: the field 'text' is null, expected a string"
    assert (first.source_id, last.source_id) == ("a.parquet#1", "a.parquet#3")


@pytest.mark.parametrize("field", ["text_fields", "metadata_fields", "id_field"])
def test_without_a_column_that_is_needed_the_file_is_rejected(tmp_path: Path, field: str) -> None:
    write(tmp_path, {"text": ["a"]})
    settings = ReaderSettings(**{field: "body" if field == "id_field" else ("body",)})  # type: ignore[arg-type]
    (rejected,) = RecordReader([tmp_path], settings=settings)
    assert isinstance(rejected, Rejected)
    assert "a.parquet: no column 'body' (columns: text)" in rejected.reason
    assert rejected.source_id is None


def test_a_file_that_is_no_parquet_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"text,n\n1,2\n")
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "a.parquet: cannot be read as Parquet after row 0" in rejected.reason


def test_a_damaged_file_gives_the_rows_before_the_damage(tmp_path: Path) -> None:
    file = write(tmp_path, {"text": [f"text {number}" * 50 for number in range(2000)]}, rows_in_a_group=500)
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = b"\xff" * 2000
    file.write_bytes(content)
    *records, rejected = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert f"cannot be read as Parquet after row {len(records)}" in rejected.reason
