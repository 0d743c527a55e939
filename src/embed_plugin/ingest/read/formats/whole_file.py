"""Files that are one record each: plain text, Markdown, source code, HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, keep, read_lines, split_mark
from embed_plugin.ingest.read.fields import Origin, checked_record
from embed_plugin.ingest.read.formats.by_suffix import syntax_of
from embed_plugin.ingest.read.formats.html import declared_encoding, markdown_of
from embed_plugin.ingest.read.formats.json_lines import too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected


def read_text(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """The file as it stands; of stdin, every line is a record."""
    if file.is_stdin:
        yield from _read_text_lines(stream, file, settings)
        return
    try:
        encoding, content = split_mark(_read_whole(stream, file, settings), chosen=settings.encoding)
        text = decode(content, encoding, str(file.path), first_line=1).replace("\r\n", "\n")
        yield checked_record(file.name, text, syntax=syntax_of(file.path), place=str(file.path))
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def read_html(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """The text of the page as Markdown, its title in the metadata."""
    try:
        content = _read_whole(stream, file, settings)
        chosen = declared_encoding(content) or settings.encoding
        encoding, content = split_mark(content, chosen=chosen)
        title, text = markdown_of(decode(content, encoding, str(file.path), first_line=1), str(file.path))
        metadata = {"title": title} if title else {}
        yield checked_record(file.name, text, {**metadata}, syntax="markdown", place=str(file.path))
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def record_of_text_line(content: bytes, origin: Origin, *, encoding: str = "utf-8") -> Record | Rejected:
    """Make a record of one line of text."""
    try:
        text = decode(content, encoding, origin.path, first_line=origin.number).rstrip("\r\n")
        return checked_record(origin.source_id, text, place=origin.place)
    except RecordError as error:
        return origin.rejected(str(error), origin.source_id, text_line=keep(content, encoding))


def _read_text_lines(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    encoding, lines = read_lines(stream, chosen=settings.encoding, limit=settings.max_record_bytes)
    for number, content in lines:
        if content is None:
            yield file.rejected(too_long(f"{file.path}:{number}: the line", settings.max_record_bytes), number=number)
        else:
            yield record_of_text_line(content, Origin(file.name, str(file.path), number), encoding=encoding)


def _read_whole(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> bytes:
    content = stream.read(settings.max_record_bytes + 1)
    if len(content) > settings.max_record_bytes:
        raise RecordError(too_long(f"{file.path}: the file", settings.max_record_bytes))
    return content
