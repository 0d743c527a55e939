"""Read the records of one file, whatever its format."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from embed_plugin.errors import MissingExtraError, RecordError
from embed_plugin.extras import check_extra, import_part
from embed_plugin.ingest.long_steps import named_if_long
from embed_plugin.ingest.read import formats
from embed_plugin.ingest.read.binary import PARQUET, PDF, binary_kind
from embed_plugin.ingest.read.formats.registry import AUTO, FORMATS, UNREAD, is_gzipped
from embed_plugin.ingest.read.parsing.parser import FileParser
from embed_plugin.ingest.read.skipped import DEAD_LETTERS, Skipped, SkippedItem
from embed_plugin.ingest.records import Record, Rejected, escaped
from embed_plugin.ingest.rejected.letter import begins_with_letters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from embed_plugin.ingest.read.fields import Origin
    from embed_plugin.ingest.read.formats.registry import Format
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON

_HEAD_BYTES = 2**16
"""Bytes that tell a dead-letter file, and what is no text."""


class FormatModule(Protocol):
    """The functions of a module in ``formats/``."""

    def read_records(
        self, stream: BinaryIO, file: SourceFile, settings: ReaderSettings, /
    ) -> Iterator[Record | Rejected | SkippedItem]:
        """The records of a stream, in order, or that the file is left out."""

    def record_of_rejected(
        self, raw: Mapping[str, JSON], origin: Origin, settings: ReaderSettings, /
    ) -> Record | Rejected | None:
        """Make a record of the data in a dead letter; None if it is incomplete.

        Only needed where the format has ``rejected_keys``.

        Raises:
            RecordError: it still cannot be read.
        """


class FileReader:
    """Reads files; an error in one rejects it, and the next can be read.

    Attributes:
        bytes_read: Bytes read so far, compressed ones as they are on disk.

    Args:
        settings: How they are read.
        skipped: Counts the dead-letter files, which are not read.
        written: Files that this run writes, which are not read either; they need not exist.
        on_read: Called with each file that was read to its end.

    Close it when all is read: that ends the process in which documents are parsed.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        skipped: Skipped | None = None,
        *,
        written: Sequence[Path] = (),
        on_read: Callable[[SourceFile], None] | None = None,
    ) -> None:
        self.bytes_read = 0
        self._settings = settings
        self._skipped = skipped or Skipped()
        self._written = written
        self._on_read = on_read
        self._parser = FileParser(settings)

    def close(self) -> None:
        """End the parser process, if there is one."""
        self._parser.close()

    def read(self, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a file, which may be missing, unreadable or damaged."""
        before = self.bytes_read
        if any(name != escaped(name) for name in (file.name, file.path.name)):
            reason = f"{file.path}: its name is not UTF-8 (a byte of it is a lone surrogate). Rename it, and run again"
            yield file.rejected(reason, source_id=file.name)
            return
        try:
            with _open(file.path, self._count) as stream:
                size = os.fstat(stream.fileno()).st_size
                if self._is_written(stream):
                    self._skipped.add(file.name, DEAD_LETTERS)
                else:
                    records = self.read_stream(_plain(stream, file), file)
                    with named_if_long("reading", str(file.path), size, "bytes"):
                        first = list(islice(records, 1))  # of a file that is one record, all the work
                    yield from first
                    yield from records
                self.bytes_read = before + size
        except FileNotFoundError:
            yield file.rejected(f"{file.path}: no such file any more. Put it back, or run again without it")
        except OSError as error:
            yield file.rejected(
                f"{file.path}: cannot be read ({error.strerror or error}). Check it and its permissions"
            )
        except (EOFError, zlib.error) as error:
            yield file.rejected(f"{file.path}: its compressed data is damaged ({error}). Compress it anew")
        except MissingExtraError as error:
            yield file.rejected(f"{file.path}: {error}, or leave it out with --exclude")

    def read_stream(self, stream: BinaryIO, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a stream that is read once; none of a dead-letter file.

        Raises:
            RecordError: stdin is a dead-letter file.
        """
        buffered = _buffered(stream)
        head = buffered.peek()
        try:
            if begins_with_letters(head):
                self._skip_letters(file)
            elif reason := self._refusal(head, file):
                yield file.rejected(reason, source_id=file.name if FORMATS[file.format].whole else None)
            else:
                yield from self._records(cast("BinaryIO", buffered), file)
        finally:
            if buffered is not stream:
                buffered.detach()  # otherwise it closes the stream when it is collected

    def check_named(self, file: SourceFile) -> None:
        """Check a file that was named itself.

        Raises:
            RecordError: it is a dead-letter file.
            MissingExtraError: its format needs an extra that is not installed.
        """
        check_format(file.format)
        if file.path.is_file():
            # What cannot be read is rejected when it is its turn.
            with suppress(OSError, EOFError, zlib.error), _open(file.path, lambda _: None) as stream:
                if self._is_written(stream) or begins_with_letters(_buffered(_plain(stream, file)).peek()):
                    raise _named_letters(file)

    def _records(self, stream: BinaryIO, file: SourceFile) -> Iterator[Record | Rejected]:
        is_whole = True
        try:
            for found in self._read_items(stream, file):
                if isinstance(found, SkippedItem):
                    self._skipped.add(*found)
                    continue
                is_whole = is_whole and not (isinstance(found, Rejected) and _is_of_file(found))
                yield located(found, file)
            if is_whole and self._on_read and not file.is_stdin:
                self._on_read(file)
        except UnicodeDecodeError as error:
            yield file.rejected(
                f"{file.path}: not {error.encoding} ({error.reason}). Say with --encoding what it is in"
            )

    def _read_items(self, stream: BinaryIO, file: SourceFile) -> Iterable[Record | Rejected | SkippedItem]:
        """Read a file here, or in the parser process."""
        if FORMATS[file.format].isolated:
            check_format(file.format)
            return self._parser.read(file)
        return module_of(file.format).read_records(stream, file, self._settings)

    def _refusal(self, head: bytes, file: SourceFile) -> str | None:
        """The reason for not reading a file: it is in another format, or its text is of no use as it stands."""
        kind, expected = binary_kind(head), FORMATS[file.format].content
        if expected in {PDF, PARQUET} and kind is None:
            kind = expected  # PDF may begin later, and its parser says more about what is damaged
        if kind != expected:
            found = kind or ("text" if head else "an empty file")
            return f"{file.path}: found {found}, expected {file.format}. Convert it, or leave it out"
        suffix = file.path.suffix.lower()
        if suffix in UNREAD and self._settings.format == AUTO:
            problem = f"{file.path}: {suffix} files ({UNREAD[suffix]}) are not read yet"
            return f"{problem}. Convert it, or read it as it stands with --format text"
        return None

    def _skip_letters(self, file: SourceFile) -> None:
        if file.is_stdin:
            raise _named_letters(file)
        self._skipped.add(file.name, DEAD_LETTERS)

    def _is_written(self, stream: io.BufferedReader) -> bool:
        status = os.fstat(stream.fileno())
        for path in self._written:
            with suppress(OSError):  # it is not there yet
                if os.path.samestat(path.stat(), status):
                    return True
        return False

    def _count(self, count: int) -> None:
        self.bytes_read += count


def _is_of_file(rejected: Rejected) -> bool:
    """Return whether a file was rejected, and not a line of it."""
    return isinstance(rejected.record, dict) and "number" not in rejected.record


def _open(path: Path, on_bytes: Callable[[int], None]) -> io.BufferedReader:
    return io.BufferedReader(_Counted(path, on_bytes), _HEAD_BYTES)


def _plain(stream: io.BufferedReader, file: SourceFile) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream) if is_gzipped(file.path) else stream)


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    """A stream that can be looked into before it is read."""
    if isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(cast("io.RawIOBase", stream), _HEAD_BYTES)


def _named_letters(file: SourceFile) -> RecordError:
    return RecordError(
        f"{file.path}: a dead-letter file is not read as a source. Try again what is in it with --retry-rejected FILE"
    )


def located(found: Record | Rejected, file: SourceFile) -> Record | Rejected:
    """Add to what was read from a file the file and its source."""
    if isinstance(found, Record):
        return found.located(source_name=file.source_name, file=file.name, path=file.absolute_path)
    letter = found.record
    if file.absolute_path and isinstance(letter, dict) and "path" in letter:
        letter = {**letter, "path": file.absolute_path}  # a retry may start in another folder
    return replace(found, source_name=file.source_name, record=letter)


def check_format(format_: Format) -> None:
    """Check that a format can be read; what is parsed in a process of its own is not imported here.

    Raises:
        MissingExtraError: it needs an extra that is not installed.
    """
    found = FORMATS[format_]
    if found.extra is not None and found.isolated:
        check_extra(f"reading {format_}", extra=found.extra)
    elif not found.isolated:
        module_of(format_)


def module_of(format_: Format) -> FormatModule:
    """Import the module that reads a format.

    Raises:
        MissingExtraError: it needs an extra that is not installed.
    """
    found = FORMATS[format_]
    name = f"{formats.__name__}.{found.module}"
    return cast("FormatModule", import_part(name, extra=found.extra) if found.extra else import_module(name))


def record_of_rejected(raw: Mapping[str, JSON], origin: Origin, settings: ReaderSettings) -> Record | Rejected | None:
    """Make a record of the data in a dead letter; None if it is of no format.

    Raises:
        RecordError: it still cannot be read.
    """
    for name, found in FORMATS.items():
        if found.rejected_keys and raw.keys() >= set(found.rejected_keys):
            return module_of(name).record_of_rejected(raw, origin, settings)
    return None


class _Counted(io.FileIO):
    """A file that counts the bytes read from it."""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        super().__init__(path)
        self._on_bytes = on_bytes

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._on_bytes(count or 0)
        return count
