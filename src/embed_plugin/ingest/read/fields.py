"""Make a record from the fields of a line or row: its id, its text and its metadata."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.json_values import at_path, without_path
from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.records import JSON, LeftOut


class Origin(NamedTuple):
    """The position of a record in its file.

    Attributes:
        name: The file's name in ids of its records.
        path: The file, for messages.
        number: The line or row, from 1.
    """

    name: str
    path: str
    number: int

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.number}"

    @property
    def source_id(self) -> str:
        """The id of a record without one of its own."""
        return f"{self.name}#{self.number}"

    def rejected(self, reason: str, source_id: str | None = None, **raw: JSON) -> Rejected:
        """Reject the record; ``raw`` is what a retry parses again, as if it stood here."""
        return Rejected(reason, self.place, source_id, record={**raw, **self._asdict()})


def record_of_fields(fields: dict[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected:
    """Make a record of fields, which it modifies, or reject it; the rejection does not hold the fields."""
    source_id = None
    place = origin.place
    _take_paths(fields, settings.named_fields)
    try:
        source_id = origin.source_id if settings.id_field is None else _id(fields, settings.id_field, place)
        text = _joined_texts(fields, settings.text_fields, place)
        # Only now: one field may be both id and text.
        for name in {settings.id_field, *settings.text_fields}:
            fields.pop(name, None)  # type: ignore[arg-type] # None is no field
        return checked_record(source_id, text, _metadata(fields, settings), place=place)
    except RecordError as error:
        return Rejected(str(error), place, source_id or None)


def record_of_values(values: dict[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected:
    """Make a record of a row whose values are JSON."""
    found = record_of_fields(dict(values), origin, settings)
    if isinstance(found, Record):
        return found
    return origin.rejected(found.reason, found.source_id, fields=values)


def check_columns(columns: Sequence[str], path: str, settings: ReaderSettings) -> None:
    """Check that rows with these columns can be records.

    Raises:
        RecordError: a needed column is missing or there twice.
    """
    there = f"columns: {', '.join(columns) or 'none'}"
    for name in settings.named_fields:
        if name not in columns:
            remedy = "Choose with --id-field, --text-field and --metadata-field, or leave the file out with --exclude"
            raise RecordError(f"{path}: no column {name!r} ({there}). {remedy}")
        if columns.count(name) > 1:
            raise RecordError(f"{path}: the column {name!r} is there twice ({there}). Give each a name of its own")


def fields_of_row(columns: Sequence[str], values: Iterable[JSON], settings: ReaderSettings) -> dict[str, JSON]:
    """The fields of a row: columns of equal names become a list of their values.

    Columns without a name are left out, unless one was asked for.
    """
    found: dict[str, list[JSON]] = {}
    for name, value in zip(columns, values, strict=True):
        found.setdefault(name, []).append(value)
    if "" not in settings.named_fields:
        found.pop("", None)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def checked_record(
    source_id: str,
    text: str,
    metadata: dict[str, JSON] | None = None,
    *,
    syntax: str = "text",
    place: str,
    left_out: Sequence[LeftOut] | None = None,
) -> Record:
    """Make a record of an id and a text.

    Raises:
        RecordError: the id or the text has a NUL character, or :class:`Record` refuses it.
    """
    if "\0" in text or "\0" in source_id:
        message = (
            f"{place}: found a NUL character, which no text has. If it is UTF-16, say so with --encoding utf-16; "
            "otherwise remove it, or leave the file out if it is no text"
        )
        raise RecordError(message)
    return Record(source_id, text, metadata or {}, syntax=syntax, place=place, left_out=left_out)


def _take_paths(fields: dict[str, JSON], names: Iterable[str]) -> None:
    """Make fields of what stands at the named paths (``content.body``), and take it out of where it was."""
    found: dict[str, JSON] = {}
    for name in names:
        if "." in name and name not in fields:
            try:
                found[name] = at_path(fields, name)
            except LookupError:
                continue
    for name in found:
        first, _, rest = name.partition(".")
        with suppress(LookupError):  # a path inside another one that was taken out before
            at_path(fields[first], rest)
            fields[first] = without_path(fields[first], rest)
    fields.update(found)


def _id(fields: dict[str, JSON], name: str, place: str) -> str:
    value = _field(fields, name, place, option="--id-field")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise RecordError(f"{place}: the id {name!r} is {name_of(value)}, expected a string or an integer")
    return str(value)


def _joined_texts(fields: dict[str, JSON], names: Sequence[str], place: str) -> str:
    """The texts, joined by line breaks; of several, those that are missing, null or empty are left out."""
    there = [name for name in names if name in fields]
    if len(names) == 1 or not there:
        return _text(fields, names[0], place)
    return "\n".join(filter(None, [_text(fields, name, place) for name in there if fields[name] is not None]))


def _text(fields: dict[str, JSON], name: str, place: str) -> str:
    value = _field(fields, name, place, option="--text-field")
    if not isinstance(value, str):
        raise RecordError(f"{place}: the field {name!r} is {name_of(value)}, expected a string")
    return value


def _metadata(fields: dict[str, JSON], settings: ReaderSettings) -> dict[str, JSON]:
    if settings.metadata_fields is None:
        return fields
    return {name: fields[name] for name in settings.metadata_fields if name in fields}


def _field(fields: dict[str, JSON], name: str, place: str, *, option: str) -> JSON:
    if name not in fields:
        there = ", ".join(sorted(fields)) or "none"
        raise RecordError(f"{place}: no field {name!r} (fields: {there}). Choose another one with {option}")
    return fields[name]


def name_of(value: object) -> str:
    """The type of a JSON value, for a message."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
