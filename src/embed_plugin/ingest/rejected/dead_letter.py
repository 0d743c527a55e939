"""The dead-letter file: rejected records and chunks, one JSON object per line."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

    from embed_plugin.ingest.records import Rejected


class DeadLetterFile:
    """Appends rejected records and chunks to a file, which is created with the first of them.

    Lines are on disk when :meth:`write` returns. If the process is killed during a write, the last line is incomplete:
    :func:`read_dead_letters` reports it, and the next write starts a new line.

    Attributes:
        count: Lines written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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
            _append(file, "".join(map(_line, rejected)).encode("ascii"))
        except OSError as error:
            message = (
                f"{self.path}: cannot write down {len(rejected):,} rejected records ({error.strerror}). Make room, or "
                "name another file; run the same command again to go on"
            )
            raise OutputError(message) from error
        self.count += len(rejected)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def retrying(path: Path) -> Iterator[DeadLetterFile]:
    """Open a file for records that are rejected once more, while the dead letters of ``path`` are tried again.

    In the end it replaces ``path``; if it is empty, ``path`` is removed. After an exception ``path`` is unchanged.
    """
    again = path.with_name(f"{path.name}.again")
    again.unlink(missing_ok=True)
    try:
        with DeadLetterFile(again) as file:
            yield file
        if file.count:
            again.replace(path)
        else:
            path.unlink()
    finally:
        again.unlink(missing_ok=True)


def _open(path: Path) -> FileIO:
    file = path.open("ab+", buffering=0)
    # "a" appends wherever this reads. An incomplete last line must not become the start of the next one.
    if file.tell() and path.is_file():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


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


def _line(rejected: Rejected) -> str:
    letter = {
        "source_name": rejected.source_name,
        "source": rejected.source_id,
        "chunk": rejected.chunk_index,
        "place": rejected.place,
        "reason": rejected.reason,
        "record": rejected.record,
    }
    return json.dumps(letter) + "\n"
