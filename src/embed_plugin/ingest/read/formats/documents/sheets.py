"""XLSX: one record per sheet, its rows as a Markdown table."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, BinaryIO

import python_calamine

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.documents.markdown import heading, one_line, paragraphs, table
from embed_plugin.ingest.read.formats.documents.parts import part_record
from embed_plugin.ingest.read.json_values import iso_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record

_EXACT = 2**53
"""Whole numbers below this are exact as floating point, which is what Excel stores."""


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record]:
    """Read each sheet that is shown: its name as a heading, its rows below, values of formulas as they were saved.

    Metadata: ``page`` (the sheet's number) and ``sheet`` (its name).

    Raises:
        RecordError: it has a password, or no sheet that is shown.
    """
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(stream)
    except python_calamine.PasswordError as error:
        message = f"{file.path}: it is encrypted with a password. Save it without one, or leave it out with --exclude"
        raise RecordError(message) from error
    shown = [(number, sheet) for number, sheet in enumerate(book.sheets_metadata, 1) if _is_shown(sheet)]
    if not shown:
        raise RecordError(
            f"{file.path}: no sheet that is shown. Show one in its program, or leave it out with --exclude"
        )
    for number, sheet in shown:
        rows = book.get_sheet_by_index(number - 1).to_python(skip_empty_area=True)
        text = table([_text(value) for value in row] for row in rows)
        yield part_record(
            file,
            f"sheet={one_line(sheet.name)}",
            paragraphs([heading(sheet.name, 1), text]) if text else "",
            metadata={"page": number, "sheet": one_line(sheet.name)},
            settings=settings,
        )


def _is_shown(sheet: python_calamine.SheetMetadata) -> bool:
    """Return whether it is a sheet of cells, and not hidden."""
    is_visible = sheet.visible == python_calamine.SheetVisibleEnum.Visible
    return is_visible and sheet.typ == python_calamine.SheetTypeEnum.WorkSheet


def _text(value: object) -> str:
    """A value as text: whole numbers without a fraction, dates and times as ISO 8601."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return iso_duration(value // dt.timedelta(microseconds=1) * 1000)
    return str(value)
