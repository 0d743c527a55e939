"""The dead-letter file: what was rejected, one JSON object a line, and its way back."""

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
    """Appends what was rejected to a file, which is made with the first of it.

    What :meth:`write` has returned from is on the disk. Where a process is killed while it writes, the last line is
    half a line, which is no JSON: :func:`read_dead_letters` says so, and the next line begins anew.

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
        """Write a line for each.

        Raises:
            OutputError: the file cannot be written, as on a full disk; it then ends where it did before.
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
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def retrying(path: Path) -> Iterator[DeadLetterFile]:
    """While the dead letters of a file are tried again: where to write those that are rejected once more.

    They replace the file in the end, or it is removed where there are none. After an exception it is as it was.
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
    # "a" writes at the end wherever this reads; half a line there must not become the start of the next.
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
        "source": rejected.source_id,
        "chunk": rejected.chunk_index,
        "place": rejected.place,
        "reason": rejected.reason,
        "record": rejected.record,
    }
    return json.dumps(letter) + "\n"
