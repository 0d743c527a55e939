"""Locks between processes that append to a file and one that replaces it; systems without ``flock`` have none."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

if sys.platform == "win32":

    def share(file: FileIO) -> None:
        """Do nothing."""

    @contextmanager
    def alone(path: Path) -> Iterator[bool]:
        """Yield True, if the file is there."""
        yield path.exists()

else:
    import fcntl

    def share(file: FileIO) -> None:
        """Let no other process be :func:`alone` with a file until it is closed; waits for one that is."""
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_SH)

    @contextmanager
    def alone(path: Path) -> Iterator[bool]:
        """Let no other process append to a file in the block; yields False if one has it open, or it is not known."""
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
