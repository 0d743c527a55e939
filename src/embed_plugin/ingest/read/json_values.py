"""Read JSON, and convert values of other programs (rows of Parquet, metadata of frameworks) to it."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from embed_plugin.ingest.metadata import MAX_LEVELS, TOO_DEEP

if TYPE_CHECKING:
    from embed_plugin.ingest.records import JSON

_AS_STRING = (Decimal, PurePath, uuid.UUID)
_DIGITS_OF_64_BITS = 20  # with a sign
_NANOSECONDS = 10**9


def parse_json(text: str) -> object:
    """Parse strict JSON, with integers as :func:`integer` reads them.

    Raises:
        ValueError: it is not JSON, has NaN, infinity or a key that is there twice, or is nested too deeply.
    """
    try:
        return json.loads(
            text, parse_int=integer, parse_constant=_refuse_constant, object_pairs_hook=_object_without_repeated_keys
        )
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def integer(digits: str) -> int | Decimal:
    """Read an integer of JSON; a Decimal if it has more digits than 64 bits, since long ones take quadratic time."""
    return int(digits) if len(digits) <= _DIGITS_OF_64_BITS else Decimal(digits)


def at_path(value: JSON, path: str) -> JSON:
    """Return what stands at a path of keys and positions with dots between them: ``data.items``, ``authors.0.name``.

    A key that holds the whole path, dots included, comes first.

    Raises:
        LookupError: there is nothing.
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    first, dot, rest = path.partition(".")
    if isinstance(value, dict):
        inner = value[first]
    elif isinstance(value, list) and first.isdecimal() and len(first) <= _DIGITS_OF_64_BITS:
        inner = value[int(first)]
    else:
        raise LookupError(path)
    return at_path(inner, rest) if dot else inner


def without_path(value: JSON, path: str) -> JSON:
    """Return a copy of a value without what stands at a path, which is there."""
    first, dot, rest = path.partition(".")
    if isinstance(value, dict):
        if path in value or not dot:
            return {key: item for key, item in value.items() if key != path}
        return {key: without_path(item, rest) if key == first else item for key, item in value.items()}
    if isinstance(value, list):
        number = int(first)
        kept = [without_path(value[number], rest)] if dot else []
        return [*value[:number], *kept, *value[number + 1 :]]
    return value


def as_json(value: object, *, levels: int = MAX_LEVELS) -> JSON:
    """Convert a value to JSON: dates and durations as ISO 8601, decimals, paths and UUIDs as strings, NaN as null.

    Raises:
        TypeError: JSON cannot hold it, such as bytes, or it has more levels of objects and lists.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, Mapping | list | tuple):
        return _scalar(value)
    if levels < 1:
        raise TypeError(TOO_DEEP)
    if isinstance(value, Mapping):
        return {str(key): as_json(item, levels=levels - 1) for key, item in value.items()}
    return [as_json(item, levels=levels - 1) for item in value]


def iso_duration(nanoseconds: int) -> str:
    """A duration as ISO 8601 writes it, of days and shorter units: ``P1DT2H3M4.5S``."""
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    seconds, fraction = divmod(rest, _NANOSECONDS)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    units = ((hours, "H"), (minutes, "M"))
    time = "".join(f"{number}{unit}" for number, unit in units if number)
    if seconds or fraction or not (time or days):
        time += f"{seconds}{decimals}S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def _scalar(value: object) -> JSON:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return iso_duration(value // dt.timedelta(microseconds=1) * 1000)
    if isinstance(value, _AS_STRING):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _object_without_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
