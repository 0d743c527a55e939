"""CSV and TSV: one record per row; the first row names the columns. In TSV a quote is a character like any other."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.cell_types import with_types
from embed_plugin.ingest.read.decoding import (
    Encoding,
    as_bytes,
    as_string,
    decode,
    keep,
    read_lines,
    take_again,
    too_long,
)
from embed_plugin.ingest.read.fields import Origin, check_columns, fields_of_row, record_of_fields
from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON
    from embed_plugin.lines import Line


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read one record per row; empty lines are skipped. Only CSV is quoted, as in RFC 4180."""
    # The limit of a cell, 128 KiB by default, is one for the whole process.
    csv.field_size_limit(max(csv.field_size_limit(), settings.max_record_bytes))
    encoding, lines = read_lines(stream, chosen=settings.encoding, limit=settings.max_record_bytes)
    strings = _Strings(lines, str(file.path), limit=settings.max_record_bytes)
    rows = _reader(strings, file, settings)
    header: list[str] = []
    while True:
        number = strings.start_row()
        try:
            cells = next(rows, None)
            if cells is None:
                return
            if cells and not header:
                header = _header(cells, encoding, file, settings)
            elif cells:
                origin = Origin(file.name, str(file.path), number)
                found = _record_of_row(header, cells, origin, settings, encoding=encoding)
                yield found if len(cells) == len(header) else _with_swallowed(found, strings)
        except (csv.Error, RecordError) as error:
            reason = str(error)
            if isinstance(error, csv.Error):
                reason = f"{file.path}:{number}: not a row ({_problem(error)}). {_remedy(file)}"
            if not header:
                yield file.rejected(_other_delimiter(strings.line, file, settings) or reason)
                return
            yield _with_swallowed(file.rejected(reason, number=number), strings)


def _reader(strings: _Strings, file: SourceFile, settings: ReaderSettings) -> Iterator[list[str]]:
    if file.format == "tsv":
        return csv.reader(strings, delimiter=settings.delimiter or "\t", quoting=csv.QUOTE_NONE)
    return csv.reader(strings, delimiter=settings.delimiter or ",", strict=True)


def _remedy(file: SourceFile) -> str:
    if file.format == "tsv":
        return r"If its cells are quoted, give --format csv --delimiter '\t'"
    return "Quote its cells as RFC 4180 has it; if quotes mean nothing there, give --format tsv and the --delimiter"


def _with_swallowed(rejected: Record | Rejected, strings: _Strings) -> Record | Rejected:
    """Count the lines that such a row takes along: with a quote that is not closed, they were rows of their own."""
    if isinstance(rejected, Record) or strings.row_lines < 2:  # noqa: PLR2004 - one line is the row itself
        return rejected
    reason = f"{rejected.reason}. It takes {strings.row_lines:,} lines, up to line {strings.number:,}: mend it, and "
    reason += "run again what it came from"
    return replace(rejected, reason=reason, record_count=strings.row_lines)


def record_of_rejected(raw: Mapping[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected | None:
    """Make a record of a row that was rejected before; None where ``raw`` holds none.

    Raises:
        RecordError: a cell is not in the encoding that is chosen now.
    """
    match raw:
        case {"header": list(header), "cells": list(cells)}:
            again = [take_again(str(cell), chosen=settings.encoding) for cell in cells]
            texts = [decode(*cell, origin.path, first_line=origin.number) for cell in again]
            return _record_of_row([str(name) for name in header], texts, origin, settings, encoding=Encoding())
    return None


def _record_of_row(
    header: Sequence[str], cells: Sequence[str], origin: Origin, settings: ReaderSettings, *, encoding: Encoding
) -> Record | Rejected:
    """Make a record of a row, whose cells are bytes as :func:`as_string` writes them."""
    try:
        fields = fields_of_row(header, _decoded(header, cells, origin, encoding), settings)
        if settings.infer_types:
            fields = with_types(fields, but={settings.id_field, *settings.text_fields})
        found = record_of_fields(fields, origin, settings)
    except RecordError as error:
        found = Rejected(str(error), origin.place, origin.source_id if settings.id_field is None else None)
    if isinstance(found, Record):
        return found
    kept: list[JSON] = [keep(as_bytes(cell), encoding) for cell in cells]
    return origin.rejected(found.reason, found.source_id, header=list(header), cells=kept)


def _decoded(header: Sequence[str], cells: Sequence[str], origin: Origin, encoding: Encoding) -> list[str]:
    if len(cells) != len(header):
        message = f"{origin.place}: {len(cells)} cells, expected {len(header)} as the first row has"
        raise RecordError(f"{message}. Check the quotes (in TSV they mean nothing) and the delimiter around it")
    return [decode(as_bytes(cell), encoding, origin.path, first_line=origin.number) for cell in cells]


def _header(cells: Sequence[str], encoding: Encoding, file: SourceFile, settings: ReaderSettings) -> list[str]:
    names = [decode(as_bytes(cell), encoding, str(file.path), first_line=1) for cell in cells]
    check_columns(names, str(file.path), settings)
    return names


def _other_delimiter(header: str, file: SourceFile, settings: ReaderSettings) -> str | None:
    """Return the advice for a file whose first row has more of another delimiter; None where it has not."""
    if header.startswith("sep=") and len(header.strip()) == len("sep=;"):
        found = f"{file.path}: the first row {header.strip()!r} is for Excel alone"
        return f"{found}. Delete it, and give --delimiter {header[len('sep=')]!r}"
    delimiter = settings.delimiter or ("\t" if file.format == "tsv" else ",")
    likely = max(";\t|,", key=header.count)
    if header.count(likely) <= header.count(delimiter):
        return None
    found = f"{file.path}: the first row is {header.strip()[:200]!r}, whose columns seem to be separated by {likely!r}"
    return f"{found}. If they are, give --delimiter {likely!r}"


def _problem(error: csv.Error) -> str:
    """The error of the CSV reader; its advice for a carriage return is for those who open the file in Python."""
    return "a carriage return outside quotes" if "new-line character" in str(error) else str(error)


class _Strings:
    """The lines of a file as strings, for the CSV reader, which continues after an exception.

    Attributes:
        number: The number of the last line, from 1.
        row_lines: The number of lines since :meth:`start_row`, without blank ones.
    """

    def __init__(self, lines: Iterator[Line], path: str, *, limit: int) -> None:
        self.number = 0
        self.row_lines = 0
        self.line = ""
        self._path = path
        self._lines = lines
        self._limit = limit

    def __iter__(self) -> _Strings:
        return self

    def start_row(self) -> int:
        """Count lines anew; returns the number of the next line."""
        self.row_lines = 0
        return self.number + 1

    def __next__(self) -> str:
        self.number, content = next(self._lines)
        self.row_lines += content is None or not content.isspace()
        if content is None:
            raise RecordError(too_long(f"{self._path}:{self.number}: the line", self._limit))
        self.line = as_string(content)
        return self.line
