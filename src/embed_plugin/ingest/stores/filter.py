"""Conditions on the metadata of points, and their written form: ``KEY OP VALUE``, or ``KEY:any(a,b)``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast, get_args

from embed_plugin.errors import InvalidInputError

Operator: TypeAlias = Literal["=", "!=", ">=", "<=", ">", "<"]
"""How a field is compared with the values."""

Value: TypeAlias = str | int | float | bool | datetime
"""What a field is compared with. A string is equal to a text, a number to a number, however it is written."""

MOST_WHOLE = 2**63 - 1
"""The largest integer that a store has; a longer one is stored as its text."""

_MOST_EXACT = 2**53

EXPECTED = (
    'expected KEY OP VALUE with one of = != >= <= > <, or KEY:any(a,b), such as  year >= 2020  or  "published by" = '
    '"two words"  (double quotes around what has spaces or signs, \\" for a quote in a value)'
)
"""The forms, for a message."""

_BOUNDS = {"=": ("gte", "lte"), "!=": ("gte", "lte"), ">=": ("gte",), "<=": ("lte",), ">": ("gt",), "<": ("lt",)}
_ORDERS = (">=", "<=", ">", "<")
_RAW_SEGMENT = r"[^\s\0\"'.:=!<>(),\[\]]+"
_QUOTED_SEGMENT = r"\"[^\"\0]+\""
_KEY = re.compile(rf"(?:{_RAW_SEGMENT}|{_QUOTED_SEGMENT})(?:\.(?:{_RAW_SEGMENT}|{_QUOTED_SEGMENT}))*")
_SEGMENT = re.compile(rf"{_QUOTED_SEGMENT}|{_RAW_SEGMENT}")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_OPERATOR = re.compile(r"\s*(>=|<=|!=|=|>|<|:any)\s*")
_QUOTED_VALUE = r"\"(?:[^\"\\]|\\.)*\""
_VALUE = re.compile(rf"\s*(?:({_QUOTED_VALUE})|(?![=!<>])([^\s\",()]+))\s*", re.DOTALL)
_ONE_VALUE = re.compile(rf"\s*(?:({_QUOTED_VALUE})|(?![=!<>])([^\s\"]+))\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


@dataclass(frozen=True)
class Condition:
    """A condition on one field of a point.

    A field that is a list fulfils it if one of its elements does. A point without the field fulfils none.

    Attributes:
        path: The keys of the field, from the outermost on: ``("author", "name")``. ``("source",)`` and ``("record",)``
            are the name of the source and the id of the record; a first key ``metadata`` says that a field of the
            metadata is meant.
        operator: ``=``: equal to one of the values; ``!=``: to none of them. The others take one number or date.
        values: What to compare with; with ``!=`` none is allowed, and then every point with the field fulfils it.

    Raises:
        InvalidInputError: the path is empty or has a key that no store can name, the operator is none of these, or it
            cannot compare with these values.
    """

    path: tuple[str, ...]
    operator: Operator
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.path or any(not key or '"' in key or "\0" in key for key in self.path):
            raise InvalidInputError(f"a condition on {self.path!r}: expected keys, and no double quote in them")
        found = f"a condition on {self.key}"
        if self.operator not in get_args(Operator):
            operators = " ".join(get_args(Operator))
            raise InvalidInputError(f"{found} by {self.operator!r}: expected one of {operators}")
        if not all(map(_is_usable, self.values)):
            expected = "texts in UTF-8, integers of 64 bits, finite numbers, true or false, and datetimes"
            raise InvalidInputError(f"{found} by the values {self.values!r}: expected {expected}")
        if self.operator == "=" and not self.values:
            raise InvalidInputError(f"{found} by no value: expected one or more")
        if self.operator in _ORDERS and not (len(self.values) == 1 and has_order(self.values[0])):
            raise InvalidInputError(f"{found} by {self.operator} {self.values!r}: expected one number or datetime")

    @property
    def key(self) -> str:
        """The path as it is written, keys with signs in double quotes."""
        return written_path(self.path)

    def bounds(self, value: Value) -> dict[str, Any] | None:
        """The range of numbers or dates to compare with, as Qdrant has it: ``gte``, ``lte``, ``gt``, ``lt``.

        With ``!=`` it is the range that is excluded. A datetime without a zone is UTC. None for a value that has to be
        matched: a text, true or false, and an integer that a range, whose ends are floats, takes for its neighbours.
        """
        is_equality = self.operator not in _ORDERS
        if not has_order(value) or (is_equality and isinstance(value, int) and abs(value) >= _MOST_EXACT):
            return None
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return dict.fromkeys(_BOUNDS[self.operator], value)

    @property
    def field_there(self) -> Condition:
        """The condition that every point with the field fulfils."""
        return Condition(self.path, "!=", ())


Conditions: TypeAlias = Sequence[Condition]
"""Conditions of which a point has to fulfil all."""


def checked_conditions(conditions: Conditions) -> Conditions:
    """Return the conditions.

    Raises:
        InvalidInputError: they are a text, or hold anything else than conditions.
    """
    found: object = conditions
    if not isinstance(found, Sequence) or not all(isinstance(one, Condition) for one in found):
        raise InvalidInputError(f"the filter is {found!r}: expected a list, as of parse_condition('year >= 2020')")
    return conditions


def has_order(value: Value) -> bool:
    """Return whether a value is greater or less than another one: a number or a date."""
    return not isinstance(value, str | bool)


def written_path(path: tuple[str, ...]) -> str:
    """A path as Qdrant reads it: keys with dots between them, those with signs in double quotes."""
    return ".".join(key if _PLAIN_SEGMENT.fullmatch(key) else f'"{key}"' for key in path)


def parse_condition(form: str) -> Condition:
    """Read a condition: ``year >= 2020``, ``lang = de``, ``author.name = "two words"``, ``lang:any(de,en)``.

    A value without quotes that is written as a number, ``true``, ``false`` or an ISO date is equal to such a value and
    to a text that is written in the same way. In double quotes it is a text; only ``>= <= > <`` take a date there.
    A date without a time is its midnight, and a time without a zone is UTC, as Qdrant has it.

    Raises:
        InvalidInputError: it has another form; the message names it.
    """
    start = form.lstrip()
    key = _KEY.match(start)
    operator = _OPERATOR.match(start, key.end()) if key else None
    if key is None or operator is None or not _is_usable(form):
        raise _bad(form)
    path = tuple(one.strip('"') for one in _SEGMENT.findall(key[0]))
    rest = start[operator.end() :]
    if operator[1] == ":any":
        return Condition(path, "=", _list_of_values(rest, form))
    return _compared(path, cast("Operator", operator[1]), rest, form)


def _compared(path: tuple[str, ...], operator: Operator, rest: str, form: str) -> Condition:
    value = _ONE_VALUE.fullmatch(rest)
    if value is None:
        raise _bad(form)
    values = _values_of(value[1], value[2])
    if operator in {"=", "!="}:
        return Condition(path, operator, values)
    ordered = [one for one in (*values, *_dates_of(_unquoted(value[1]))) if has_order(one)]
    if not ordered:
        raise _bad(form, f"{operator} compares numbers and ISO dates such as 2024-05-31, and finds {rest.strip()!r}")
    return Condition(path, operator, (ordered[0],))


def _is_usable(value: object) -> bool:
    if isinstance(value, str):
        return value == value.encode(errors="replace").decode()
    if isinstance(value, int):
        return -MOST_WHOLE - 1 <= value <= MOST_WHOLE
    return isinstance(value, datetime) or (isinstance(value, float) and math.isfinite(value))


def _list_of_values(rest: str, form: str) -> tuple[Value, ...]:
    rest = rest.strip()
    if not (rest.startswith("(") and rest.endswith(")")):
        raise _bad(form)
    found: dict[tuple[type, Value], Value] = {}
    position, end = 1, len(rest) - 1
    while True:
        value = _VALUE.match(rest, position, end)
        if value is None:
            raise _bad(form)
        found |= {(type(one), one): one for one in _values_of(value[1], value[2])}
        position = value.end() + 1
        if value.end() == end:
            return tuple(found.values())
        if rest[value.end()] != ",":
            raise _bad(form)


def _values_of(quoted: str | None, bare: str | None) -> tuple[Value, ...]:
    """The values that a written one is equal to: the text, and without quotes what the text means."""
    if bare is None:
        return (_unquoted(quoted),)
    return (*_meanings(bare), bare)


def _meanings(bare: str) -> tuple[Value, ...]:
    if bare in {"true", "false"}:
        return (bare == "true",)
    if _WHOLE.fullmatch(bare) and _is_usable(int(bare)):
        return (int(bare),)
    if _NUMBER.fullmatch(bare):
        number = float(bare)
        return (number,) if math.isfinite(number) else ()
    return _dates_of(bare)


def _dates_of(text: str) -> tuple[Value, ...]:
    if not _DATE.fullmatch(text):
        return ()
    try:
        found = datetime.fromisoformat(text)
        return ((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC),)
    except (ValueError, OverflowError):  # no such day, or before the year 1 in UTC
        return ()


def _unquoted(quoted: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL) if quoted else ""


def _bad(form: str, problem: str = "") -> InvalidInputError:
    return InvalidInputError(f"the filter {form!r} cannot be read{problem and f': {problem}'}: {EXPECTED}")
