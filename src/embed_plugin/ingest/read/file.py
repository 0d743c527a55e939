"""One file to its records, whatever its format."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from embed_plugin.errors import MissingExtraError
from embed_plugin.extras import import_part
from embed_plugin.ingest.read.formats.by_suffix import is_gzipped
from embed_plugin.ingest.read.formats.delimited import read_delimited_rows
from embed_plugin.ingest.read.formats.json_lines import read_json_lines
from embed_plugin.ingest.read.formats.whole_file import read_html, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from embed_plugin.ingest.read.formats.by_suffix import Format
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected


class FormatReader(Protocol):
    """Reads the records of one format."""

    def __call__(self, stream: BinaryIO, file: SourceFile, settings: ReaderSettings, /) -> Iterator[Record | Rejected]:
        """The records of a stream, in order."""


_READERS: dict[Format, FormatReader] = {
    "text": read_text,
    "html": read_html,
    "jsonl": read_json_lines,
    "csv": read_delimited_rows,
    "tsv": read_delimited_rows,
}


class FileReader:
    """Reads files; what goes wrong with one is a rejection, and the next can be read.

    Attributes:
        bytes_read: Bytes read so far, as they are on disk.
    """

    def __init__(self, settings: ReaderSettings) -> None:
        self.bytes_read = 0
        self._settings = settings

    def read(self, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a file that may be gone, unreadable or damaged."""
        before = self.bytes_read
        try:
            with io.BufferedReader(_Counted(file.path, self._count)) as stream:
                yield from self._read_opened(cast("BinaryIO", stream), file)
                self.bytes_read = before + os.fstat(stream.fileno()).st_size
        except FileNotFoundError:
            yield file.rejected(f"{file.path}: no such file any more. Put it back, or run again without it")
        except OSError as error:
            yield file.rejected(
                f"{file.path}: cannot be read ({error.strerror or error}). Check it and its permissions"
            )
        except (EOFError, zlib.error) as error:
            yield file.rejected(f"{file.path}: its compressed data is damaged ({error}). Compress it anew")
        except MissingExtraError as error:
            yield file.rejected(f"{file.path}: {error}")

    def read_stream(self, stream: BinaryIO, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a stream that is read once."""
        try:
            yield from reader_of(file.format)(stream, file, self._settings)
        except UnicodeDecodeError as error:
            yield file.rejected(
                f"{file.path}: not {error.encoding} ({error.reason}). Say with --encoding what it is in"
            )

    def _read_opened(self, stream: BinaryIO, file: SourceFile) -> Iterator[Record | Rejected]:
        if not is_gzipped(file.path):
            yield from self.read_stream(stream, file)
            return
        with gzip.GzipFile(fileobj=stream) as plain:
            yield from self.read_stream(cast("BinaryIO", plain), file)

    def _count(self, count: int) -> None:
        self.bytes_read += count


def reader_of(format_: Format) -> FormatReader:
    """The reader of a format.

    Raises:
        MissingExtraError: it needs an extra that is not installed.
    """
    if format_ == "parquet":
        module = import_part("embed_plugin.ingest.read.formats.parquet", extra="parquet")
        return cast("FormatReader", module.read_parquet_rows)
    return _READERS[format_]


class _Counted(io.FileIO):
    """A file that tells how many bytes are read of it."""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        super().__init__(path)
        self._on_bytes = on_bytes

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._on_bytes(count or 0)
        return count
