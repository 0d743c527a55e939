from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING

import openpyxl

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import workbook

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, content: bytes) -> list[Record]:
    (folder / "a.xlsx").write_bytes(content)
    return [item for item in RecordReader([folder]) if isinstance(item, Record)]


def test_a_sheet_is_a_record_with_its_rows_as_a_table(tmp_path: Path) -> None:
    first, empty = read(
        tmp_path, workbook([["item", None, "price"], [], ["fish|big", None, 3], ["two\nlines", None, 0.5]])
    )
    table = "| item | price |\n| --- | --- |\n| fish\\|big | 3 |\n| two lines | 0.5 |"
    assert first == Record(
        "a.xlsx#sheet=Budget", f"# Budget\n\n{table}", {"page": 1, "sheet": "Budget"}, syntax="markdown"
    )
    assert empty.is_empty
    assert empty.metadata == {"page": 2, "sheet": "Empty"}  # the third is hidden


def test_values_are_written_as_they_are_read(tmp_path: Path) -> None:
    day, time = dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - Excel has no time zones
    (record, _) = read(tmp_path, workbook([["h"] * 6, [True, 2.0, 1e300, day, time, "=1+1"]]))
    row = record.text.splitlines()[-1]
    assert row.startswith("| TRUE | 2 | 1e+300 | 2026-01-02 | 2026-01-02T03:04:00 |")


def test_a_workbook_without_a_sheet_that_is_shown_is_rejected(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([["a"]])))
    book.create_chartsheet("Chart")
    for sheet in book.worksheets:
        sheet.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "a.xlsx: no sheet that is shown" in rejected.reason
