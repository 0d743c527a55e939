"""Read the records of one file, whatever its format."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from embed_plugin.errors import MissingExtraError
from embed_plugin.extras import import_part
from embed_plugin.ingest.long_steps import named_if_long
from embed_plugin.ingest.read import formats
from embed_plugin.ingest.read.formats.registry import FORMATS, is_gzipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from embed_plugin.ingest.read.fields import Origin
    from embed_plugin.ingest.read.formats.registry import Format
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected


class FormatModule(Protocol):
    """The functions of a module in ``formats/``."""

    def read_records(
        self, stream: BinaryIO, file: SourceFile, settings: ReaderSettings, /
    ) -> Iterator[Record | Rejected]:
        """The records of a stream, in order."""

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
    """

    def __init__(self, settings: ReaderSettings) -> None:
        self.bytes_read = 0
        self._settings = settings

    def read(self, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a file, which may be missing, unreadable or damaged."""
        before = self.bytes_read
        try:
            with io.BufferedReader(_Counted(file.path, self._count)) as stream:
                size = os.fstat(stream.fileno()).st_size
                records = self._read_opened(cast("BinaryIO", stream), file)
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
            yield file.rejected(f"{file.path}: {error}")

    def read_stream(self, stream: BinaryIO, file: SourceFile) -> Iterator[Record | Rejected]:
        """The records of a stream that is read once."""
        try:
            yield from module_of(file.format).read_records(stream, file, self._settings)
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
