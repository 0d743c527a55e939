"""Plain text, Markdown and source code: one record per file, or of stdin one per line."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, keep, read_lines, read_whole, split_mark, take_again, too_long
from embed_plugin.ingest.read.fields import Origin, checked_record
from embed_plugin.ingest.read.formats.syntax import syntax_of
from embed_plugin.ingest.read.left_out.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embed_plugin.ingest.read.decoding import Encoding
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read the file as one record, without what is not embedded; of stdin, every line is a record."""
    if file.is_stdin:
        yield from _read_lines(stream, file, settings)
        return
    try:
        content = read_whole(stream, str(file.path), limit=settings.max_record_bytes)
        encoding, content = split_mark(content, chosen=settings.encoding)
        text = decode(content, encoding, str(file.path), first_line=1)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield _record_of_file(text, file, settings)
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def _record_of_file(text: str, file: SourceFile, settings: ReaderSettings) -> Record:
    syntax = syntax_of(file.path)
    cleaned = clean(text, syntax)
    wanted = settings.metadata_fields
    metadata = {name: value for name, value in cleaned.metadata.items() if wanted is None or name in wanted}
    place = str(file.path)
    return checked_record(file.name, cleaned.text, metadata, syntax=syntax, place=place, left_out=cleaned.left_out)


def record_of_rejected(raw: Mapping[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected | None:
    """Make a record of a line that was rejected before; None where ``raw`` holds none."""
    line = raw.get("text_line")
    if not isinstance(line, str):
        return None
    content, encoding = take_again(line, chosen=settings.encoding)
    return _record_of_line(content, origin, encoding=encoding)


def _record_of_line(content: bytes, origin: Origin, *, encoding: Encoding) -> Record | Rejected:
    try:
        text = decode(content, encoding, origin.path, first_line=origin.number).rstrip("\r\n")
        return checked_record(origin.source_id, text, place=origin.place)
    except RecordError as error:
        return origin.rejected(str(error), origin.source_id, text_line=keep(content, encoding))


def _read_lines(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    encoding, lines = read_lines(stream, chosen=settings.encoding, limit=settings.max_record_bytes)
    for number, content in lines:
        if content is None:
            yield file.rejected(too_long(f"{file.path}:{number}: the line", settings.max_record_bytes), number=number)
        else:
            yield _record_of_line(content, Origin(file.name, str(file.path), number), encoding=encoding)
