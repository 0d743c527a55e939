"""Room on the disk for qdrant-edge, which writes to mapped files: where there is none, the process ends by SIGBUS.

So the room is looked at before each write. Its files have holes, for it makes them larger than what is in them: on a
file system in memory (``/dev/shm``, ``/tmp`` of some systems) reading a hole takes room too, and what opening a
collection reads is given its room when it is written.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARE = 8 << 20
"""Room that every write leaves: a part of it goes to new pages of indexes and logs."""

_AMPLE = 256 << 20
_COPIES = 3  # of what is written: the write-ahead log, the storage, the indexes
_NEW, _NEW_IN_MEMORY = 4 << 20, 14 << 20  # times _COPIES; with its first points it takes 1 and 41 MB
_IN_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")


class DiskRoom:
    """Room on the disk of a folder.

    Args:
        folder: Of the collections; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_memory: bool | None = None

    def require(self, size: Callable[[], int]) -> None:
        """Refuse a write that the disk may have no room for.

        Args:
            size: Bytes to write; called only if there is not ample room.

        Raises:
            TargetError: there is not enough room.
        """
        free = self.free()
        if free < _AMPLE and free < (needed := SPARE + _COPIES * size()):
            raise self._too_full(free, needed)

    def require_for_new(self) -> None:
        """Refuse to create a collection that the disk may have no room for.

        Raises:
            TargetError: there is not enough room.
        """
        self.require(lambda: _NEW_IN_MEMORY if self._is_in_memory() else _NEW)

    def allows(self, size: int) -> bool:
        """Return whether that many bytes, and some to spare, are free."""
        return self.free() >= SPARE + size

    def reserve(self, shard: Path) -> None:
        """Give the files that opening a shard reads all the room they will take.

        Raises:
            TargetError: there is not enough room.
        """
        holes = dict(self._holes(shard))
        if holes:
            self._require_for(holes)
            for file, size in holes.items():
                with file.open("r+b") as opened:
                    os.posix_fallocate(opened.fileno(), 0, size)

    def require_for_reading(self, shard: Path) -> None:
        """Refuse to open a shard for whose files the room was not reserved, and is not there now.

        Raises:
            TargetError: there is not enough room.
        """
        self._require_for(dict(self._holes(shard)))

    def free(self) -> int:
        """Bytes that this user may write."""
        return shutil.disk_usage(self._there()).free

    def _there(self) -> Path:
        """The folder, or the one that it will be created in."""
        return next(folder for folder in (self._folder, *self._folder.absolute().parents) if folder.exists())

    def _require_for(self, holes: dict[Path, int]) -> None:
        needed = sum(size - taken(file) for file, size in holes.items())
        if needed and (free := self.free()) < needed:
            raise self._too_full(free, needed)

    def _holes(self, shard: Path) -> Iterator[tuple[Path, int]]:
        """The files with holes that opening a shard reads whole, and their sizes; none on a real disk."""
        if not self._is_in_memory():
            return
        for file in shard.glob("segments/**/*"):
            size = file.stat().st_size
            is_payload = file.parent.name == "payload_storage" and file.name.startswith("page_")
            if file.is_file() and not is_payload and taken(file) < size:
                yield file, size

    def _is_in_memory(self) -> bool:
        if self._in_memory is None:
            self._in_memory = _file_system(self._there()) in _IN_MEMORY and hasattr(os, "posix_fallocate")
        return self._in_memory

    def _too_full(self, free: int, needed: int) -> TargetError:
        return TargetError(
            f"the disk of {self._folder} has {free / 1e6:.1f} MB free, and {needed / 1e6:.1f} MB are needed there. "
            "Make room, and run the same command again to go on"
        )


def taken(file: Path) -> int:
    """Bytes that a file takes on the disk, without its holes; all its bytes where the system does not tell."""
    found = file.stat()
    return getattr(found, "st_blocks", found.st_size // 512) * 512


def _file_system(folder: Path) -> str | None:
    """The kind of a folder's file system, as Linux names it."""
    try:
        device = folder.stat().st_dev
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    found = (line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number)
    return next(found, None)
