"""Lines of JSON: one record per line."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, keep, read_lines, take_again, too_long
from embed_plugin.ingest.read.fields import Origin, name_of, record_of_fields
from embed_plugin.ingest.read.json_values import parse_json
from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embed_plugin.ingest.read.decoding import Encoding
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read one record per line; empty lines are skipped."""
    limit = settings.max_record_bytes
    encoding, lines = read_lines(stream, chosen=settings.encoding, limit=limit)
    for number, content in lines:
        if content is None:
            yield file.rejected(too_long(f"{file.path}:{number}: the line", limit), number=number)
        elif content.strip():
            yield _record_of_line(content, Origin(file.name, str(file.path), number), settings, encoding=encoding)


def record_of_rejected(raw: Mapping[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected | None:
    """Make a record of a line that was rejected before; None where ``raw`` holds none."""
    line = raw.get("line")
    if not isinstance(line, str):
        return None
    content, encoding = take_again(line, chosen=settings.encoding)
    return _record_of_line(content, origin, settings, encoding=encoding)


def _record_of_line(
    content: bytes, origin: Origin, settings: ReaderSettings, *, encoding: Encoding
) -> Record | Rejected:
    default_id = origin.source_id if settings.id_field is None else None
    try:
        line = decode(content, encoding, origin.path, first_line=origin.number)
        found = record_of_fields(_parse(line, origin.place), origin, settings)
    except RecordError as error:
        found = Rejected(str(error), origin.place, default_id)
    if isinstance(found, Record):
        return found
    return origin.rejected(found.reason, found.source_id, line=keep(content, encoding))


def _parse(line: str, place: str) -> dict[str, JSON]:
    try:
        value = parse_json(line)
    except ValueError as error:
        message = f"{place}: not JSON ({error}). Every line must be one JSON object; --format text reads plain text"
        raise RecordError(message) from error
    if not isinstance(value, dict):
        raise RecordError(f"{place}: found {name_of(value)}, expected a JSON object with the record's fields")
    return cast("dict[str, JSON]", value)
