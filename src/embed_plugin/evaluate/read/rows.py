"""Read the rows of a file in the format that its name says: Parquet or JSON Lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.read.columns import Row
from embed_plugin.evaluate.read.text_lines import read_lines
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.evaluate.read.columns import Columns


def read_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Yield the rows of a Parquet file (``.parquet``), or the objects of JSON Lines (any other name).

    Raises:
        RecordError: the file cannot be read, is damaged, or is a table that lacks a column; names file and row.
        MissingExtraError: the file is Parquet, and pyarrow is not installed.
    """
    rows: Iterator[Row] = _parquet().read_rows(path, columns) if path.suffix == ".parquet" else _read_objects(path)
    return rows


def count_rows(path: Path) -> int:
    """Count the rows of a file without parsing them.

    Raises:
        RecordError: the file cannot be read.
        MissingExtraError: the file is Parquet, and pyarrow is not installed.
    """
    return int(_parquet().count_rows(path)) if path.suffix == ".parquet" else sum(1 for _ in read_lines(path))


def _parquet() -> Any:  # noqa: ANN401 - a module of this package, imported where it is needed
    return import_part("embed_plugin.evaluate.read.parquet", extra="parquet")


def _read_objects(path: Path) -> Iterator[Row]:
    for place, line in read_lines(path):
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{place}: not JSON ({error}); every line must be one JSON object") from error
        if not isinstance(value, dict):
            raise RecordError(f"{place}: found a {type(value).__name__}, expected a JSON object with named fields")
        yield Row(place, value)
