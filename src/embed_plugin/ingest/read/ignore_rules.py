"""Patterns that choose files, in the syntax of .gitignore."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from embed_plugin.errors import InvalidInputError

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
    """Read the patterns of a file, in UTF-8.

    Raises:
        InvalidInputError: one is not a pattern.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return parse_patterns(path.read_text(encoding="utf-8").splitlines(), path.name)


class IgnoreRules:
    """The rules of the ignore files of a folder and its parents; the innermost with a matching pattern decides.

    Args:
        levels: Folders, and the patterns that hold below each.
        named: Names in NFC, without a ``/`` at their end, that are left out whatever the patterns say.
    """

    def __init__(
        self, levels: tuple[tuple[str, GitIgnoreSpec], ...] = (), *, named: frozenset[str] = frozenset()
    ) -> None:
        self._levels = levels
        self._named = named

    def inside(self, folder: str, spec: GitIgnoreSpec) -> IgnoreRules:
        """The rules inside ``folder`` (relative, with a ``/`` at its end), which adds its own."""
        return IgnoreRules((*self._levels, (folder, spec)), named=self._named)

    def leave_out(self, name: str) -> bool:
        """Return whether a file is left out; a folder has a ``/`` at its end."""
        if self._named and unicodedata.normalize("NFC", name.rstrip("/")) in self._named:
            return True
        for folder, spec in reversed(self._levels):
            found = spec.check_file(name.removeprefix(folder)).include
            if found is not None:
                return found
        return False
