"""JSON: one record per element of an array, or one for an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, read_whole, split_mark
from embed_plugin.ingest.read.fields import Origin, name_of, record_of_values
from embed_plugin.ingest.read.formats.registry import AUTO
from embed_plugin.ingest.read.json_values import at_path, parse_json
from embed_plugin.ingest.read.skipped import NO_TEXT_FIELD, SkippedItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected


def read_records(
    stream: BinaryIO, file: SourceFile, settings: ReaderSettings
) -> Iterator[Record | Rejected | SkippedItem]:
    """Read one record per element of the array at ``records_path``, or of the whole; an object there is one record.

    A file of which no element has a text field, such as the settings of a program, is left out where the format was
    not asked for.
    """
    path = str(file.path)
    try:
        encoding, content = split_mark(
            read_whole(stream, path, limit=settings.max_record_bytes), chosen=settings.encoding
        )
        values = _elements(_parsed(decode(content, encoding, path, first_line=1), path), path, settings)
    except RecordError as error:
        yield file.rejected(str(error))
        return
    if settings.format == AUTO and not any(_has_text(value, settings) for value in values):
        yield SkippedItem(file.name, NO_TEXT_FIELD)
        return
    for number, value in enumerate(values, 1):
        origin = Origin(file.name, path, number)
        if isinstance(value, dict):
            yield record_of_values(value, origin, settings)
        else:
            source_id = origin.source_id if settings.id_field is None else None
            reason = f"{origin.place}: found {name_of(value)}, expected a JSON object with the record's fields"
            yield file.rejected(reason, source_id=source_id, number=number)


def _parsed(content: str, path: str) -> JSON:
    try:
        return cast("JSON", parse_json(content))
    except ValueError as error:
        message = f"{path}: not JSON ({error}). JSON lines end with .jsonl; --format text reads plain text"
        raise RecordError(message) from error


def _elements(value: JSON, path: str, settings: ReaderSettings) -> Sequence[JSON]:
    """The values that are records."""
    if settings.records_path is not None:
        try:
            value = at_path(value, settings.records_path)
        except LookupError as error:
            there = (
                f"keys: {', '.join(map(repr, sorted(value))) or 'none'}" if isinstance(value, dict) else name_of(value)
            )
            message = f"{path}: nothing at {settings.records_path!r} ({there}). Choose another path with --records-path"
            raise RecordError(message) from error
    return value if isinstance(value, list) else [value]


def _has_text(value: JSON, settings: ReaderSettings) -> bool:
    """Return whether a value has a field to embed."""
    if not isinstance(value, dict):
        return False
    for name in settings.text_fields:
        try:
            if isinstance(at_path(value, name), str):
                return True
        except LookupError:
            continue
    return False
