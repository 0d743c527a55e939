"""Read numbers, true and false in cells of CSV and TSV, which are texts otherwise."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from embed_plugin.ingest.records import JSON

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MOST = 2**63


def typed_cell(cell: str) -> JSON:
    """The value that a whole cell is written as, by the rule of JSON's numbers; else the cell itself.

    A whole number of 64 bits is an integer; one with a point or an exponent is a float; ``true`` and ``false``, with a
    first or all capital letters too, are booleans. All else is text: ISO dates, ``007``, ``+1``, ``1,5``, ``.5``,
    ``NaN``, longer integers, and any of these with white space around it.
    """
    if cell in _BOOLEANS:
        return _BOOLEANS[cell]
    if _WHOLE.fullmatch(cell):
        number = int(cell)
        return number if -_MOST <= number < _MOST and cell != "-0" else cell
    if _DECIMAL.fullmatch(cell) and math.isfinite(float(cell)):
        return float(cell)
    return cell


def with_types(fields: Mapping[str, JSON], *, but: Collection[str | None]) -> dict[str, JSON]:
    """The fields of a row with :func:`typed_cell` of each cell, also in columns of one name.

    Args:
        fields: By the name of their column.
        but: Names of fields that stay texts, as the id.
    """
    return {name: value if name in but else _typed(value) for name, value in fields.items()}


def _typed(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_typed(one) for one in value]
    return typed_cell(value) if isinstance(value, str) else value
