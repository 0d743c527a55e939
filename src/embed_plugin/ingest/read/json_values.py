"""Convert values of other programs (rows of Parquet, metadata of frameworks) to JSON."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embed_plugin.ingest.records import JSON

_AS_STRING = (Decimal, PurePath, uuid.UUID)


def as_json(value: object) -> JSON:
    """Convert a value to JSON: dates as ISO 8601, decimals, paths and UUIDs as strings, NaN as null.

    Raises:
        TypeError: JSON cannot hold it, such as bytes.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> JSON:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, _AS_STRING):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
