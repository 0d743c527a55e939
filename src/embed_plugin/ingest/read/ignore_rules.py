"""Patterns that choose files, in the syntax of .gitignore."""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.read.skipped import EXCLUDED, GITIGNORED
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IGNORE_FILE = ".embedignore"
GIT_IGNORE_FILE = ".gitignore"
GIT = ".git"


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


def read_git_ignore_file(path: Path) -> GitIgnoreSpec:
    """Read the patterns of a file of git's; as git does, pass over lines that are none.

    Raises:
        OSError: it cannot be read.
    """
    lines = path.read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
    valid = []
    for line in lines:
        with suppress(ValueError):
            GitIgnoreSpec.from_lines([line])
            valid.append(line)
    return GitIgnoreSpec.from_lines(valid)


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of the ignore files of a folder and its parents; the innermost with a matching pattern decides.

    What ``.embedignore`` files and the settings say comes before what git says.

    Attributes:
        levels: Folders, and the patterns that hold below each.
        git: The same of git's files; names are relative to the top of the work tree there.
        is_work_tree: Whether the folder is in a work tree of git.
        above: The path from that top to the folder that is read, with a ``/`` at its end.
        named: Names in NFC, without a ``/`` at their end, of what other paths name.
    """

    levels: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    git: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    is_work_tree: bool = False
    above: str = ""
    named: frozenset[str] = frozenset()

    def inside(self, folder: str, spec: GitIgnoreSpec) -> IgnoreRules:
        """The rules inside ``folder`` (relative, with a ``/`` at its end), which adds its own."""
        return replace(self, levels=(*self.levels, (folder, spec)))

    def inside_git(self, folder: str, spec: GitIgnoreSpec) -> IgnoreRules:
        """The rules inside ``folder``, which adds those of its ``.gitignore``."""
        return replace(self, git=(*self.git, (self.above + folder, spec)))

    def in_new_work_tree(self) -> IgnoreRules:
        """The rules inside a folder that is a work tree of its own: git's from outside do not hold there."""
        return replace(self, git=(), is_work_tree=True)

    def is_named(self, name: str) -> bool:
        """Return whether a file or folder is named by another path, and so is read there."""
        return bool(self.named) and unicodedata.normalize("NFC", name.rstrip("/")) in self.named

    def reason_to_leave_out(self, name: str) -> str | None:
        """The reason for leaving out a file, or a folder, which has a ``/`` at its end; None if it is read."""
        found = _decision(self.levels, name)
        if found is not None:
            return EXCLUDED if found else None
        return GITIGNORED if _decision(self.git, self.above + name) else None


def rules_of_git(folder: Path) -> IgnoreRules:
    """The rules of git that hold in a folder from above it; none outside a work tree, and in one that git ignores.

    Raises:
        OSError: an ignore file cannot be read.
    """
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow links
    top = next((parent for parent in (here, *here.parents) if (parent / GIT).exists()), None)
    if top is None:
        return IgnoreRules()
    above = "" if here == top else f"{here.relative_to(top).as_posix()}/"
    levels = tuple(_levels_above(top, here))
    is_ignored = any(
        _decision(levels, f"{parent.as_posix()}/") for parent in (Path(above), *Path(above).parents) if parent.name
    )
    return IgnoreRules(git=() if is_ignored else levels, is_work_tree=True, above=above)


def _levels_above(top: Path, here: Path) -> Iterator[tuple[str, GitIgnoreSpec]]:
    """The rules of the work tree's own exclude file, and of the folders from its top to just above a folder."""
    exclude = top / GIT / "info" / "exclude"
    if exclude.is_file():
        yield "", read_git_ignore_file(exclude)
    inner = here.relative_to(top).parts
    for depth in range(len(inner)):
        folder = top.joinpath(*inner[:depth])
        if (folder / GIT_IGNORE_FILE).is_file():
            yield "".join(f"{part}/" for part in inner[:depth]), read_git_ignore_file(folder / GIT_IGNORE_FILE)


def _decision(levels: tuple[tuple[str, GitIgnoreSpec], ...], name: str) -> bool | None:
    """The decision of the innermost level that says anything about a name; None if none does."""
    for folder, spec in reversed(levels):
        if name.startswith(folder):
            found = spec.check_file(name.removeprefix(folder)).include
            if found is not None:
                return found
    return None
