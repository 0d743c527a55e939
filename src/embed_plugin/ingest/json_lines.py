"""One line of JSON to one record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.records import Record

if TYPE_CHECKING:
    from embed_plugin.ingest.records import JSON


def record_of_line(line: str, default_id: str, place: str, *, id_field: str | None, text_field: str) -> Record:
    """Make a record of a JSON object; fields that are neither its id nor its text are its metadata.

    Args:
        line: The JSON.
        default_id: The record's id where no field is chosen for it.
        place: File and line, for messages.
        id_field: The field that holds the id, a string or an integer; None for ``default_id``.
        text_field: The field that holds the text.

    Raises:
        RecordError: no JSON object, or the chosen fields are missing or of another type.
    """
    fields = _parse(line, place)
    text = _take(fields, text_field, place, option="--text-field")
    if not isinstance(text, str):
        raise RecordError(f"{place}: the field {text_field!r} is {_name(text)}, expected a string")
    source_id = default_id if id_field is None else _id(fields, id_field, place)
    return Record(source_id, text, fields, place=place)


def _parse(line: str, place: str) -> dict[str, JSON]:
    try:
        value: object = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = f"{place}: not JSON ({error}). Every line must be one JSON object; --format text reads plain text"
        raise RecordError(message) from error
    if not isinstance(value, dict):
        raise RecordError(f"{place}: found {_name(value)}, expected a JSON object with the record's fields")
    return cast("dict[str, JSON]", value)


def _id(fields: dict[str, JSON], id_field: str, place: str) -> str:
    value = _take(fields, id_field, place, option="--id-field")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RecordError(f"{place}: the id {id_field!r} is {_name(value)}, expected a string or an integer")
    return str(value)


def _take(fields: dict[str, JSON], name: str, place: str, *, option: str) -> JSON:
    if name not in fields:
        there = ", ".join(sorted(fields)) or "none"
        raise RecordError(f"{place}: no field {name!r} (fields: {there}). Choose another one with {option}")
    return fields.pop(name)


def _name(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
