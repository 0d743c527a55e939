"""Metadata in the one form that every store keeps: 64-bit integers, string keys, a bounded depth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

MAX_LEVELS = 64
"""Maximum levels of objects and lists together; the metadata itself is the first. Of 124 levels, qdrant-edge makes a
store that it cannot open again."""

TOO_DEEP = f"nested in more than {MAX_LEVELS} levels of objects and lists"
"""The reason for rejecting metadata that is deeper."""

_MOST = 2**63 - 1


def stored_form(metadata: Mapping[str, object]) -> tuple[dict[str, object], int]:
    """Return metadata as it is stored, and the number of its integers that became text.

    An integer beyond 64 bits becomes its decimal text, whatever the target: gRPC cannot carry it.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is nested too deeply.
    """
    form = _StoredForm()
    stored: dict[str, object] = {}
    for key, value in metadata.items():
        try:
            stored[_checked_key(key)] = form.of(value, level=2)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{key!r}: {error}") from error
    return stored, form.numbers_as_text


class _StoredForm:
    def __init__(self) -> None:
        self.numbers_as_text = 0

    def of(self, value: object, *, level: int) -> object:
        """A value as it is stored; ``level`` is its own if it is an object or a list."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float | Decimal) or not isinstance(value, Mapping | list | tuple):
            return self._number(value)
        if level > MAX_LEVELS:
            raise ValueError(TOO_DEEP)
        if isinstance(value, Mapping):
            return {_checked_key(key): self.of(item, level=level + 1) for key, item in value.items()}
        return [self.of(item, level=level + 1) for item in value]

    def _number(self, value: object) -> object:
        if _is_long(value):
            self.numbers_as_text += 1
            # str() of an int refuses more than 4,300 digits.
            return str(Decimal(value)) if isinstance(value, int) else str(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise TypeError(f"{value} is no finite number")
        if isinstance(value, int | float):
            return value
        raise TypeError(f"{type(value).__name__} is no JSON")


def _is_long(value: object) -> bool:
    """Return whether it is an integer beyond 64 bits; the reader of JSON makes those Decimals."""
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value() and not -_MOST - 1 <= value <= _MOST
    return isinstance(value, int) and not -_MOST - 1 <= value <= _MOST


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is no string")
    return key
