from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(folder: Path, columns: Mapping[str, list[Any] | pa.Array], *, rows_in_a_group: int = 2) -> Path:
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


def of_type(values: list[int | None], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.timestamp("ns"), 1_000_000_000_000_000_007, "2001-09-09T01:46:40.000000007"),
        (pa.timestamp("ns"), -1, "1969-12-31T23:59:59.999999999"),
        (pa.timestamp("ns", "Europe/Berlin"), 1, "1970-01-01T01:00:00.000000001+01:00"),
        (pa.timestamp("ns"), 1_000_000_000, "1970-01-01T00:00:01"),
        (pa.timestamp("us"), 1, "1970-01-01T00:00:00.000001"),
        (pa.time64("ns"), 86_399_999_999_999, "23:59:59.999999999"),
        (pa.time64("us"), 1, "00:00:00.000001"),
        (pa.time32("s"), 3601, "01:00:01"),
        (pa.date32(), 365, "1971-01-01"),
        (pa.duration("ns"), 90_061_000_000_001, "P1DT1H1M1.000000001S"),
        (pa.duration("s"), -60, "-PT1M"),
        (pa.duration("s"), 0, "PT0S"),
    ],
)
@pytest.mark.parametrize("nest", [False, True])
def test_times_become_iso_8601_with_all_their_digits(
    tmp_path: Path, kind: pa.DataType, value: int, text: str, *, nest: bool
) -> None:
    column = of_type([value, None], kind)
    if nest:
        column = pa.ListArray.from_arrays([0, 1, 2], pa.StructArray.from_arrays([column], ["k"]))
    write(tmp_path, {"text": ["a", "b"], "x": column})
    first, second = [item.metadata["x"] for item in RecordReader([tmp_path]) if isinstance(item, Record)]
    assert (first, second) == (([{"k": text}], [{"k": None}]) if nest else (text, None))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (of_type([3_000_000, 0], pa.date32()), "date32[day] 3000000 is no time of the years 1 to 9999"),
        (of_type([-800_000, 0], pa.date32()), "date32[day] -800000 is no time of the years 1 to 9999"),
        (of_type([2**60, 0], pa.timestamp("us")), "is no time of the years 1 to 9999"),
        (of_type([2**60, 0], pa.timestamp("ms")), "is no time of the years 1 to 9999"),
        (of_type([86_400 * 10**9, 0], pa.time64("ns")), "time64[ns] 86400000000000 is no time of a day"),
        (of_type([2**60, 0], pa.timestamp("ms", "Europe/Berlin")), "is no time of the years 1 to 9999"),
        (pa.array([b"\xff", b"a"]).view(pa.string()), "can't decode byte 0xff"),
        (pa.array([[b"\xff"], [b"a"]]).cast(pa.list_(pa.binary())), "bytes is no JSON"),
    ],
)
def test_a_value_that_cannot_be_read_costs_its_record_and_names_the_column(
    tmp_path: Path, column: pa.Array, says: str
) -> None:
    write(tmp_path, {"text": ["a", "b"], "x": column, "day": of_type([0, 1], pa.date32())})
    bad, *good = RecordReader([tmp_path])
    assert isinstance(bad, Rejected)
    assert "a.parquet:1: the column 'x' holds what JSON has no word for" in bad.reason
    assert says in bad.reason
    assert (bad.source_id, bad.record_count) == ("a.parquet#1", 1)
    assert [item.source_id for item in good if isinstance(item, Record)] == ([] if "bytes" in says else ["a.parquet#2"])


def test_other_types_of_columns_become_json(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["a"], pa.large_string()),
        "dictionary": pa.array(["d"]).dictionary_encode(),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.timestamp("s"))),
        "unsigned": pa.array([[2**64 - 1, 1]], pa.list_(pa.uint64())),
        "null": pa.nulls(1),
        "fixed": pa.array([[1, 2]], pa.list_(pa.int8(), 2)),
    }
    write(tmp_path, columns)
    (record,) = RecordReader([tmp_path])
    assert isinstance(record, Record)
    assert record.metadata == {
        "dictionary": "d",
        "map": [["k", "1970-01-01T00:00:01"]],
        "unsigned": ["18446744073709551615", 1],
        "null": None,
        "fixed": [1, 2],
    }
    assert record.numbers_as_text == 1


def test_a_column_nested_too_deeply_costs_its_records(tmp_path: Path) -> None:
    column = pa.array([1])
    for _ in range(80):
        column = pa.StructArray.from_arrays([column], ["k"])
    write(tmp_path, {"text": ["a"], "x": column})
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "nested in more than 64 levels" in rejected.reason


def test_columns_that_nobody_asked_for_may_have_equal_names(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array([1]), pa.array([2]), pa.array([3])]
    parquet.write_table(pa.Table.from_arrays(columns, names=["text", "n", "n", ""]), tmp_path / "a.parquet")
    assert list(RecordReader([tmp_path])) == [Record("a.parquet#1", "a", {"n": [1, 2]})]
    (rejected,) = RecordReader([tmp_path], settings=ReaderSettings(metadata_fields=("n",)))
    assert isinstance(rejected, Rejected)
    assert "the column 'n' is there twice" in rejected.reason


def test_of_several_text_columns_one_that_is_null_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"title": ["One", None], "text": ["two", "three"]})
    settings = ReaderSettings(text_fields=("title", "text"))
    texts = [item.text for item in RecordReader([tmp_path], settings=settings) if isinstance(item, Record)]
    assert texts == ["One\ntwo", "three"]


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
    assert rejected.record_count == 2000 - len(records)
