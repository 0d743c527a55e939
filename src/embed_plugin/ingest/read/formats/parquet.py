"""Parquet: one record per row; only the needed columns are read, some rows at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.fields import Origin, check_columns, fields_of_row, record_of_values
from embed_plugin.ingest.read.formats.arrow_values import row_as_json, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected

_ROWS_AT_ONCE = 256


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read one record per row, times as strings and NaN as null; an error in the file itself ends the reading."""
    number = rows = 0
    try:
        table = ParquetFile(stream)
        rows = table.metadata.num_rows
        check_columns(table.schema_arrow.names, str(file.path), settings)
        columns = None if settings.fields is None else list(settings.fields)
        for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
            for cells in rows_of(batch):
                number += 1
                yield _record_of_row(
                    batch.schema.names, cells, Origin(file.name, str(file.path), number), file, settings
                )
    except RecordError as error:
        yield file.rejected(str(error))
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the file; damaged content is an OSError without a number
        problem = " ".join(str(error).split())
        reason = f"{file.path}: cannot be read as Parquet after row {number} ({problem}). Write it anew"
        yield replace(file.rejected(reason), record_count=max(1, rows - number))


def _record_of_row(
    names: Sequence[str], cells: Sequence[object], origin: Origin, file: SourceFile, settings: ReaderSettings
) -> Record | Rejected:
    try:
        values = row_as_json(names, cells)
    except ValueError as error:
        source_id = origin.source_id if settings.id_field is None else None
        reason = f"{origin.place}: {error}. Choose others with --metadata-field"
        return file.rejected(reason, source_id=source_id, number=origin.number)
    return record_of_values(fields_of_row(names, values, settings), origin, settings)
