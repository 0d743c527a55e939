"""Read the records of paths: files, folders and stdin."""

from __future__ import annotations

import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.file import FileReader
from embed_plugin.ingest.read.formats.registry import AUTO, FORMATS, STDIN_FORMAT
from embed_plugin.ingest.read.settings import ReaderSettings
from embed_plugin.ingest.read.skipped import Skipped
from embed_plugin.ingest.read.source_files import SourceFile, SourceFinder
from embed_plugin.ingest.sources import STDIN, Scope, scopes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from embed_plugin.ingest.read.skipped import SkippedItem
    from embed_plugin.ingest.records import Record, Rejected


class RecordReader:
    """Reads the records of files, folders and stdin (``-``), one by one, in a fixed order.

    A record that cannot be read is rejected, and reading goes on. Only the current record and the file names of the
    folders around it are kept in memory.

    Args:
        paths: Files, folders, or ``-`` for stdin.
        settings: The defaults if None.
        stdin: Bytes to read in place of stdin.
        written: Files that the run writes, such as its dead-letter file: they are not read, nor need they exist.
        on_skipped: Called for each file or folder that is left out.
        on_read: Called for each file that was read to its end.

    Attributes:
        skipped: Counts of the files and folders left out so far.

    Raises:
        RecordError: a path does not exist or is a dead-letter file, or the format cannot be read from stdin.
        MissingExtraError: a named file needs an extra that is not installed.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        settings: ReaderSettings | None = None,
        stdin: BinaryIO | None = None,
        written: Sequence[Path] = (),
        on_skipped: Callable[[SkippedItem], None] | None = None,
        on_read: Callable[[SourceFile], None] | None = None,
    ) -> None:
        self.settings = settings or ReaderSettings()
        self._stdin = stdin
        self._paths = [Path(path) for path in paths]
        self.skipped = Skipped(on_skipped)
        self._finder = SourceFinder(self.settings, self.skipped)
        self._files = FileReader(self.settings, self.skipped, written=written, on_read=on_read)
        self._scopes: Sequence[Scope] = ()
        for path in self._paths:
            self._check(path)

    def locate(self, known: Mapping[str, str]) -> Sequence[Scope]:
        """Choose the source of each path; see :func:`.scopes_of`.

        Args:
            known: The root of each source of the collection, by its name.

        Raises:
            InvalidInputError: the collection has a source of this name with another root.
        """
        self._scopes = scopes_of(self._paths, known, name=self.settings.source)
        self._finder = SourceFinder(self.settings, self.skipped, named=self._scopes)
        return self._scopes

    def __iter__(self) -> Iterator[Record | Rejected]:
        try:
            yield from self._read_all()
        finally:
            self._files.close()

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self._files.bytes_read

    @cached_property
    def total_bytes(self) -> int | None:
        """Bytes to read, found by a walk through the folders; None for stdin and pipes."""
        total = 0
        finder = SourceFinder(self.settings)
        for path in self._paths:
            if str(path) == STDIN or not (path.is_dir() or path.is_file()):
                return None
            total += sum(_size(file.path) for file in finder.find(path, Scope("")) if isinstance(file, SourceFile))
        return total

    @property
    def _stdin_format(self) -> str:
        return STDIN_FORMAT if self.settings.format == AUTO else self.settings.format

    def _check(self, path: Path) -> None:
        if str(path) == STDIN:
            if not FORMATS[self._stdin_format].stdin:
                raise RecordError(f"{self._stdin_format} is not read from stdin. Give a file or a folder")
        elif not path.exists():
            raise RecordError(f"{path}: no such file or folder. Check the path, or give - to read stdin")
        elif not path.is_dir():
            self._files.check_named(self._finder.named(path, path.name, ""))

    def _read_all(self) -> Iterator[Record | Rejected]:
        scopes = self._scopes or self.locate({})
        read = set[Scope]()
        for path, scope in zip(self._paths, scopes, strict=True):
            is_stream = not (path.is_dir() or path.is_file())
            if is_stream or scope not in read:
                yield from self._read(path, scope)
            if not is_stream:
                read.add(scope)

    def _read(self, path: Path, scope: Scope) -> Iterator[Record | Rejected]:
        """Read a path, but for what is named by another path too."""
        if str(path) == STDIN:
            source = SourceFile(Path("stdin"), "stdin", self._stdin_format, scope.source_name, is_stdin=True)
            yield from self._files.read_stream(self._stdin or sys.stdin.buffer, source)
            return
        for found in self._finder.find(path, scope):
            if isinstance(found, SourceFile):
                yield from self._files.read(found)
            else:
                yield found


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
