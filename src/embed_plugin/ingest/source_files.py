"""Which files a path stands for, and what each is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Format: TypeAlias = Literal["auto", "text", "jsonl"]
"""text: one record per file. jsonl: one per line. auto: by the file's suffix."""

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".rst"}
JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_SUFFIXES: dict[Format, frozenset[str]] = {
    "auto": TEXT_SUFFIXES | JSONL_SUFFIXES,
    "text": TEXT_SUFFIXES,
    "jsonl": JSONL_SUFFIXES,
}


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: Where it is.
        name: What its records' ids are made of: relative to the folder that was named, with forward slashes,
            and so the same from every working folder; a file named itself is called by the path as given.
        size: Its bytes.
        lines: Whether every line is a JSON record.
    """

    path: Path
    name: str
    size: int
    lines: bool


@dataclass(frozen=True)
class SourceFiles:
    """The files some paths stand for.

    Attributes:
        found: The files to read, sorted within each folder.
        skipped: Files in those folders that have another suffix, or are no readable regular file.
    """

    found: tuple[SourceFile, ...]
    skipped: tuple[Path, ...]


def find_source_files(paths: Sequence[str | Path], *, format: Format = "auto") -> SourceFiles:  # noqa: A002 - the option's name
    """Find the files to read.

    Folders are searched recursively, in sorted order; hidden files and folders are left out, symlinks are
    followed unless they lead back to a folder they are in.

    Raises:
        RecordError: a path does not exist.
    """
    found: list[SourceFile] = []
    skipped: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            for file in _walk(path, inside=()):
                if file.suffix.lower() in _SUFFIXES[format] and file.is_file():
                    found.append(_source_file(file, file.relative_to(path).as_posix(), format))
                else:
                    skipped.append(file)
        elif path.exists():
            found.append(_source_file(path, path.as_posix(), format))
        else:
            raise RecordError(f"{path}: no such file or folder. Check the path, or give - to read stdin")
    return SourceFiles(tuple(found), tuple(skipped))


def _source_file(path: Path, name: str, format_: Format) -> SourceFile:
    lines = format_ == "jsonl" or (format_ == "auto" and path.suffix.lower() in JSONL_SUFFIXES)
    return SourceFile(path, name, path.stat().st_size, lines)


def _walk(folder: Path, *, inside: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in inside:
        return
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names only
    except OSError as error:
        raise RecordError(f"{folder}: cannot list the folder ({error.strerror}). Check its permissions") from error
    for name in names:
        path = folder / name
        if path.is_dir():
            yield from _walk(path, inside=(*inside, here))
        else:
            yield path
