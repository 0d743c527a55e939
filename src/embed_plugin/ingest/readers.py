"""Paths to records: text and Markdown files, folders of them, JSON lines, and stdin."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.json_lines import record_of_line
from embed_plugin.ingest.records import Record
from embed_plugin.ingest.source_files import MARKDOWN_SUFFIXES, SourceFile, SourceFiles, find_source_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from embed_plugin.ingest.source_files import Format

STDIN = "-"
_STDIN_NAME = "stdin"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ReaderSettings:
    """How paths become records.

    Attributes:
        format: ``text``: a file is one record; of stdin, a line is one. ``jsonl``: every line is a JSON
            object. ``auto``: ``.jsonl`` and ``.ndjson`` files and stdin are JSON lines, others are text.
        id_field: The field of a JSON line that names the record; without one, it is named by file and line.
        text_field: The field of a JSON line that is embedded; the other fields become the metadata.
    """

    format: Format = "auto"
    id_field: str | None = None
    text_field: str = "text"


class RecordReader:
    """Reads the records of files, folders and stdin (``-``), one by one, in a fixed order.

    Iterating raises a RecordError, naming the file and the line, for what cannot be read.

    Attributes:
        total_bytes: Bytes to read; None when stdin is among the paths.
        bytes_read: Bytes read so far.
        skipped: Files that were left out; see :func:`find_source_files`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        settings: ReaderSettings | None = None,
        stdin: BinaryIO | None = None,
    ) -> None:
        self.settings = settings or ReaderSettings()
        self.bytes_read = 0
        self._stdin = stdin
        self._sources: list[SourceFiles | None] = [
            None if str(path) == STDIN else find_source_files([path], format=self.settings.format) for path in paths
        ]
        self.skipped = tuple(path for source in self._sources if source for path in source.skipped)
        self.total_bytes = None if None in self._sources else sum(file.size for file in self._files())

    def __iter__(self) -> Iterator[Record]:
        for source in self._sources:
            if source is None:
                as_json = self.settings.format != "text"
                yield from self._read_lines(self._stdin or sys.stdin.buffer, _STDIN_NAME, _STDIN_NAME, as_json=as_json)
            else:
                for file in source.found:
                    yield from self._read_file(file)

    def _files(self) -> Iterator[SourceFile]:
        return (file for source in self._sources if source for file in source.found)

    def _read_file(self, file: SourceFile) -> Iterator[Record]:
        try:
            with file.path.open("rb") as stream:
                if file.lines:
                    yield from self._read_lines(stream, file.name, str(file.path), as_json=True)
                else:
                    yield self._read_text(stream.read(), file)
        except OSError as error:
            raise RecordError(f"{file.path}: cannot be read ({error.strerror}). Check its permissions") from error

    def _read_text(self, content: bytes, file: SourceFile) -> Record:
        self.bytes_read += len(content)
        text = _decode(content.removeprefix(_BOM), str(file.path), first_line=1).replace("\r\n", "\n")
        markdown = file.path.suffix.lower() in MARKDOWN_SUFFIXES
        return Record(file.name, text, markdown=markdown, place=str(file.path))

    def _read_lines(self, stream: Iterable[bytes], name: str, path: str, *, as_json: bool) -> Iterator[Record]:
        for number, content in enumerate(stream, start=1):
            self.bytes_read += len(content)
            line = _decode(content.removeprefix(_BOM) if number == 1 else content, path, first_line=number)
            default_id, place = f"{name}#{number}", f"{path}:{number}"
            if not as_json:
                yield Record(default_id, line.rstrip("\r\n"), place=place)
            elif not line.isspace():
                settings = self.settings
                yield record_of_line(
                    line, default_id, place, id_field=settings.id_field, text_field=settings.text_field
                )


def _decode(content: bytes, path: str, *, first_line: int) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = first_line + content.count(b"\n", 0, error.start)
        message = (
            f"{path}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}). Convert it, for example with  "
            "iconv -f WINDOWS-1252 -t UTF-8"
        )
        raise RecordError(message) from error
