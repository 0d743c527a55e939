"""Read the rows of a Parquet file, some at a time and only the columns asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.read.columns import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.evaluate.read.columns import Columns

ROWS_AT_ONCE = 64
"""Few, because a long document has hundreds of kilobytes."""

_BUFFER_BYTES = 2**20
"""Read at a time from a column. By default pyarrow reads the columns of all row groups before the first row."""


def read_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Yield the rows of a file in its order.

    Raises:
        RecordError: the file cannot be read, or lacks a column.
    """
    number = 0
    with _opened(path) as table:
        names = columns.choose(table.schema_arrow.names, str(path))
        for batch in table.iter_batches(ROWS_AT_ONCE, columns=names, use_threads=False):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield Row(f"{path}, row {number}", dict(zip(batch.schema.names, cells, strict=True)))


def count_rows(path: Path) -> int:
    """Count the rows of a file, which its metadata has.

    Raises:
        RecordError: the file cannot be read.
    """
    with _opened(path) as table:
        return int(table.metadata.num_rows)


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    try:
        with path.open("rb") as stream:
            yield ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except RecordError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise RecordError(f"{path} cannot be read ({error}): check the path and its permissions") from error
        problem = " ".join(str(error).split())
        message = f"{path} cannot be read as Parquet ({problem}): download it again"
        raise RecordError(f"{message}; a clone without Git LFS has pointers in place of the files") from error
