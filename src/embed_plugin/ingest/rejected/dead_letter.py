"""The dead-letter file: rejected records and chunks, one JSON object per line."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from embed_plugin.errors import OutputError
from embed_plugin.ingest.rejected.letter import (
    NotALetterError,
    keys_of_file,
    keys_of_letter,
    keys_of_record,
    letter_of,
    line_of,
    settling_keys,
)
from embed_plugin.ingest.rejected.locks import alone, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected


class DeadLetterFile:
    """Appends rejected records and chunks to a file, which is created with the first of them.

    Lines are on disk when :meth:`write` returns. If the process is killed during a write, the last line is incomplete:
    :func:`read_dead_letters` reports it, and the next write starts a new line.

    At the end of a ``with`` statement without an exception, the letters of earlier runs go whose records were stored,
    rejected again or not found any more in this one; without a letter left, so does the file. If another process writes
    to the file, they stay for the next run.

    Attributes:
        count: Lines written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: FileIO | None = None
        self._size, self._keys = _earlier(path)
        self._settled: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._settled:
                self._drop_settled()
        finally:
            self.close()

    def write(self, rejected: Sequence[Rejected]) -> None:
        """Write one line for each.

        Raises:
            OutputError: the file cannot be written, as on a full disk; it is then as before.
        """
        if not rejected:
            return
        try:
            file = self._file = self._file or _open(self.path)
            _append(file, b"".join(map(line_of, rejected)))
        except OSError as error:
            raise _cannot(self.path, "write down what was rejected", error) from error
        self.count += len(rejected)
        for one in rejected:
            self._settled.update(self._keys.intersection(keys_of_letter(one)))

    def settle(self, record: Record) -> None:
        """Note that a record is stored as it is now, so that earlier letters about it may go."""
        if self._keys:
            self._settled.update(self._keys.intersection(keys_of_record(record)))

    def settle_file(self, file: SourceFile) -> None:
        """Note that a file was read to its end: its lines that are not rejected now are mended or gone."""
        if self._keys:
            self._settled.update(self._keys.intersection(keys_of_file(file)))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop_settled(self) -> None:
        """Write the file anew without the letters that are settled."""
        self.close()
        again = again_file(self.path)
        try:
            with again.open("wb") as kept:
                for line in _lines(self.path, self._size):
                    if self._settled.isdisjoint(_keys_of_line(line)):
                        kept.write(line)
            _replace(self.path, again, self._size)
        except FileNotFoundError:
            pass  # it was removed meanwhile
        except OSError as error:
            raise _cannot(self.path, "drop what is mended", error) from error
        finally:
            again.unlink(missing_ok=True)


@contextmanager
def retrying(path: Path) -> Iterator[DeadLetterFile]:
    """Open a file for records that are rejected once more, while the dead letters of ``path`` are tried again.

    In the end it replaces ``path``; if it is empty, ``path`` is removed. After an exception ``path`` is unchanged, and
    what another run appends meanwhile stays.
    """
    again = again_file(path)
    again.unlink(missing_ok=True)
    size = path.stat().st_size if path.is_file() else 0
    try:
        with DeadLetterFile(again) as file:
            yield file
        again.touch()
        _replace(path, again, size)
    finally:
        again.unlink(missing_ok=True)


def again_file(path: Path) -> Path:
    """The file that a dead-letter file is written anew to."""
    real = path.resolve()
    return real.with_name(f"{real.name}.again")


def _replace(path: Path, again: Path, size: int) -> None:
    """Put ``again`` in the place of the first ``size`` bytes of a file; if nothing is left, remove the file.

    A kill leaves the file as it was or as it shall be. If another process writes to it, nothing is done.
    """
    real = path.resolve()
    with alone(real) as is_alone:
        if not is_alone:
            return
        with real.open("rb") as old, again.open("ab") as new:
            old.seek(size)
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())
            is_empty = not new.tell()
        if is_empty:
            real.unlink()
        else:
            shutil.copymode(real, again)
            again.replace(real)


def _earlier(path: Path) -> tuple[int, set[str]]:
    """The length of a file, and the keys that settle its letters; nothing of one that is not there."""
    if not path.is_file():
        return 0, set()
    try:
        size = path.stat().st_size
        return size, {key for line in _lines(path, size) for key in _keys_of_line(line)}
    except OSError:
        return 0, set()  # the first write says why


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """The lines in the first ``size`` bytes of a file."""
    with path.open("rb") as stream:
        left = size
        while left > 0 and (line := stream.readline(left)):
            left -= len(line)
            yield line


def _keys_of_line(line: bytes) -> list[str]:
    """The keys that settle a letter; none of a line that is no letter, which stays until it is mended by hand."""
    try:
        return settling_keys(letter_of(line.decode("utf-8", "replace")))
    except NotALetterError:
        return []


def _cannot(path: Path, do: str, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot {do} ({error.strerror}). Make room, or name another file; run the same command again to go on"
    )


def _open(path: Path) -> FileIO:
    file = path.open("ab+", buffering=0)
    share(file)
    if not _is_at(file, path):  # another process has replaced or removed it while this one waited
        file.close()
        return _open(path)
    # "a" appends wherever this reads. An incomplete last line must not become the start of the next one.
    if file.tell() and path.is_file():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _append(file: FileIO, content: bytes) -> None:
    end = file.seek(0, os.SEEK_END)
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise
