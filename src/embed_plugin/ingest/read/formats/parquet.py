"""Parquet: one record per row; only the needed columns are read, some rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.fields import Origin, check_columns, record_of_values
from embed_plugin.ingest.read.json_values import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected

_ROWS_AT_ONCE = 256


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read one record per row, dates as strings and NaN as null; an error in the file itself ends the reading."""
    number = 0
    try:
        table = ParquetFile(stream)
        check_columns(table.schema_arrow.names, str(file.path), settings)
        columns = None if settings.fields is None else list(settings.fields)
        for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield _record_of_row(row, number, file, settings)
    except RecordError as error:
        yield file.rejected(str(error))
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the file; damaged content is an OSError without a number
        problem = " ".join(str(error).split())
        yield file.rejected(f"{file.path}: cannot be read as Parquet after row {number} ({problem}). Write it anew")


def _record_of_row(
    row: dict[str, object], number: int, file: SourceFile, settings: ReaderSettings
) -> Record | Rejected:
    values: dict[str, JSON] = {}
    for name, value in row.items():
        try:
            values[name] = as_json(value)
        except TypeError as error:
            problem = f"{file.path}:{number}: the column {name!r} holds what JSON has no word for ({error})"
            return file.rejected(f"{problem}. Choose others with --metadata-field", number=number)
    return record_of_values(values, Origin(file.name, str(file.path), number), settings)
