"""Patterns that choose files, in the syntax of .gitignore."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

IGNORE_FILE = ".embedignore"


def parse_patterns(lines: Iterable[str], where: str) -> GitIgnoreSpec:
    """Read patterns, one a line.

    Raises:
        InvalidInputError: one is not a pattern; the message names ``where`` it stands.
    """
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise InvalidInputError(f"{where}: {error}. Write it as in .gitignore") from error


def read_ignore_file(path: Path) -> GitIgnoreSpec:
    """Read the patterns of a file, in UTF-8 or as its byte order mark says.

    Raises:
        InvalidInputError: one is not a pattern, or the file is in another encoding.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return parse_patterns([line.text for line in read_text_lines(stream, path.name)], path.name)
    except RecordError as error:
        raise InvalidInputError(str(error)) from error


class IgnoreRules:
    """The rules of the ignore files of a folder and its parents; the innermost with a matching pattern decides.

    Args:
        levels: Folders, and the patterns that hold below each.
        named: Names in NFC, without a ``/`` at their end, of what other paths name.
    """

    def __init__(
        self, levels: tuple[tuple[str, GitIgnoreSpec], ...] = (), *, named: frozenset[str] = frozenset()
    ) -> None:
        self._levels = levels
        self._named = named

    def inside(self, folder: str, spec: GitIgnoreSpec) -> IgnoreRules:
        """The rules inside ``folder`` (relative, with a ``/`` at its end), which adds its own."""
        return IgnoreRules((*self._levels, (folder, spec)), named=self._named)

    def is_named(self, name: str) -> bool:
        """Return whether a file or folder is named by another path, and so is read there."""
        return bool(self._named) and unicodedata.normalize("NFC", name.rstrip("/")) in self._named

    def leave_out(self, name: str) -> bool:
        """Return whether a file is left out; a folder has a ``/`` at its end."""
        for folder, spec in reversed(self._levels):
            found = spec.check_file(name.removeprefix(folder)).include
            if found is not None:
                return found
        return False
