"""Convert the rows of an Arrow table to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from embed_plugin.ingest.read.json_values import as_json, iso_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest.records import JSON

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DAY = 24 * 60 * 60 * _NANOSECONDS["s"]


def rows_of(table: pa.RecordBatch | pa.Table) -> Iterator[tuple[object, ...]]:
    """The rows of a table; their cells are for :func:`row_as_json`."""
    return zip(*map(_values_of, table.columns), strict=True)


def row_as_json(names: Sequence[str], cells: Sequence[object]) -> list[JSON]:
    """Convert a row to JSON: times and durations as ISO 8601 with all their digits, NaN as null.

    Raises:
        ValueError: a cell holds what JSON cannot, such as bytes or a year beyond 9999; the message names its column.
    """
    values = []
    for name, cell in zip(names, cells, strict=True):
        try:
            if isinstance(cell, Exception):
                raise cell
            values.append(as_json(cell))
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise ValueError(f"the column {name!r} holds what JSON has no word for ({error})") from error
    return values


def _values_of(column: pa.Array) -> list[object]:
    """Convert a column as ``to_pylist`` does, but times and durations to ISO 8601: Python's types lack nanoseconds.

    Returns:
        The values; in place of one that cannot be converted (invalid UTF-8, a year beyond 9999), its error.
    """
    if not _has_times(column.type):
        try:
            return list(column.to_pylist())
        except (ValueError, pa.ArrowException):
            pass  # one by one, to find it
    return [_value_or_error(scalar) for scalar in column]


def _has_times(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_times(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _has_times(kind.storage_type)
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return pa.types.is_temporal(kind) or any(map(_has_times, inner))


def _value_or_error(scalar: pa.Scalar) -> object:
    try:
        return _value(scalar)
    except (ValueError, pa.ArrowException) as error:
        return error


def _value(scalar: pa.Scalar) -> object:
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if pa.types.is_dictionary(kind) or type(scalar) is pa.ExtensionScalar:  # its subclasses have values of their own
        return _value(scalar.value)
    if pa.types.is_nested(kind):
        return _nested(scalar)
    if pa.types.is_duration(kind):
        return iso_duration(scalar.value * _NANOSECONDS[kind.unit])
    if pa.types.is_temporal(kind):
        return _time(scalar)
    return scalar.as_py()


def _nested(scalar: pa.Scalar) -> object:
    if pa.types.is_map(scalar.type):
        return [[_value(entry[0]), _value(entry[1])] for entry in scalar.values]
    if not pa.types.is_struct(scalar.type):
        return [_value(item) for item in scalar.values]
    names = [field.name for field in scalar.type]
    if len(set(names)) < len(names):
        raise ValueError(f"fields of one name: {', '.join(names)}")
    return {name: _value(scalar[position]) for position, name in enumerate(names)}


def _time(scalar: pa.Scalar) -> str:
    """ISO 8601, with nine decimals where there are nanoseconds."""
    kind = scalar.type
    nanoseconds = 0
    if pa.types.is_time(kind) and not 0 <= scalar.value * _NANOSECONDS[kind.unit] < _DAY:
        raise ValueError(f"{kind} {scalar.value} is no time of a day")  # as_py would begin the day again
    try:
        if getattr(kind, "unit", "") == "ns":
            microseconds, nanoseconds = divmod(scalar.value, 1000)
            coarse = pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else pa.time64("us")
            scalar = pa.scalar(microseconds, pa.int64()).cast(coarse)
        found = scalar.as_py()
    except (ValueError, OverflowError, LookupError) as error:  # LookupError: no such time zone
        raise ValueError(f"{kind} {scalar.value} is no time of the years 1 to 9999 ({error})") from error
    if not nanoseconds:
        return str(found.isoformat())
    written = found.isoformat(timespec="microseconds")
    before, dot, after = written.partition(".")
    return f"{before}{dot}{after[:6]}{nanoseconds:03d}{after[6:]}"
