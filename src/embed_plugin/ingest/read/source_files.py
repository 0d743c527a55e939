"""Find the files of a path, and give each the name that its records' ids start with."""

from __future__ import annotations

import os
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from embed_plugin.ingest.read.formats.registry import AUTO, format_of
from embed_plugin.ingest.read.ignore_rules import (
    GIT,
    GIT_IGNORE_FILE,
    IGNORE_FILE,
    IgnoreRules,
    parse_patterns,
    read_git_ignore_file,
    read_ignore_file,
    rules_of_git,
)
from embed_plugin.ingest.read.skipped import (
    CYCLE,
    HIDDEN,
    NOT_INCLUDED,
    NOT_REGULAR,
    OTHER_FORMAT,
    OTHER_SUFFIX,
    Skipped,
)
from embed_plugin.ingest.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin.ingest.read.formats.registry import Format
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.records import JSON
    from embed_plugin.ingest.sources import Scope


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: Its path.
        name: The start of its records' ids: the path relative to the source's root, in NFC and with forward slashes,
            and so the same on every machine and from every working folder.
        format: Its format.
        source_name: The name of its source.
        is_stdin: True for stdin, which cannot be read again.
    """

    path: Path
    name: str
    format: Format
    source_name: str = ""
    is_stdin: bool = False

    @cached_property
    def absolute_path(self) -> str:
        """Its absolute path, with its links; empty for stdin."""
        return "" if self.is_stdin else os.path.abspath(self.path)  # noqa: PTH100 - resolve() would follow links

    def rejected(self, reason: str, *, source_id: str | None = None, number: int | None = None) -> Rejected:
        """Reject the file, or a line of it; a retry reads it again."""
        place = str(self.path) if number is None else f"{self.path}:{number}"
        where: dict[str, JSON] = {"path": self.absolute_path, "name": self.name}
        if number is not None:
            where["number"] = number
        letter = None if self.is_stdin else where
        return Rejected(reason, place, source_id, record=letter, source_name=self.source_name)


class SourceFinder:
    """Finds the files to read; in memory are only the names in the folders on the way to the current one.

    Folders are searched recursively, in sorted order. Hidden files and folders are left out, and those that
    ``.embedignore`` files, the settings and, in a work tree of git, its ignore files exclude. Symlinks are followed
    unless they form a cycle; one that leads nowhere is rejected, for there may be a folder behind it at another time.

    Args:
        settings: The formats and patterns.
        named: What other paths name in these folders, and is left out here.

    Args:
        settings: They say which files of a folder are read.
        skipped: Counts the files and folders that are left out.
    """

    def __init__(
        self, settings: ReaderSettings, skipped: Skipped | None = None, *, named: Sequence[Scope] = ()
    ) -> None:
        self._skipped = skipped or Skipped()
        self._named = named
        self._settings = settings
        self._include = parse_patterns(settings.include, "the patterns to include") if settings.include else None
        self._exclude = parse_patterns(settings.exclude, "the patterns to exclude")

    def find(self, path: Path, scope: Scope) -> Iterator[SourceFile | Rejected]:
        """The file itself, or those in the folder; a folder that cannot be listed is rejected.

        Args:
            path: The file or folder.
            scope: Its source, and its place there.
        """
        if path.is_dir():
            inside = f"{scope.path}/" if scope.path else ""
            for name, found in self._walk(path, "", (), self._rules(path, scope)):
                if isinstance(found, Exception):
                    yield _rejected(path, name, found, scope)
                elif isinstance(found, str):
                    self._skipped.add(inside + name, found)
                else:
                    yield self.named(found, inside + name, scope.source_name)
        else:
            yield self.named(path, scope.path or path.name, scope.source_name)

    def named(self, path: Path, name: str, source_name: str) -> SourceFile:
        """A file that is read whatever its suffix."""
        chosen = self._settings.format
        found = (format_of(path) or "text") if chosen == AUTO else chosen
        return SourceFile(path, unicodedata.normalize("NFC", name), found, source_name)

    def _named_in(self, scope: Scope) -> frozenset[str]:
        """What is named below a folder by other paths, relative to it."""
        inside = f"{scope.path}/" if scope.path else ""
        below = (one.path for one in self._named if one.source_name == scope.source_name and one.path != scope.path)
        return frozenset(path.removeprefix(inside) for path in below if path.startswith(inside))

    def _rules(self, path: Path, scope: Scope) -> IgnoreRules:
        """The rules that hold in a named folder from above it, and from the settings."""
        found = IgnoreRules()
        if self._settings.gitignore:
            with suppress(OSError):  # a folder above may not be readable
                found = rules_of_git(path)
        return replace(found, named=self._named_in(scope)).inside("", self._exclude)

    def _with_own_rules(self, rules: IgnoreRules, folder: Path, prefix: str, names: list[str]) -> IgnoreRules:
        """Add the rules of the ignore files among the names in a folder, and take those out of the names.

        Raises:
            InvalidInputError: a line of ``.embedignore`` is not a pattern.
            OSError: an ignore file cannot be read.
        """
        if IGNORE_FILE in names:
            names.remove(IGNORE_FILE)
            rules = rules.inside(prefix, read_ignore_file(folder / IGNORE_FILE))
        if not self._settings.gitignore:
            return rules
        if prefix and (GIT in names or f"{GIT}/" in names):
            rules = rules.in_new_work_tree()
        if rules.is_work_tree and GIT_IGNORE_FILE in names:
            rules = rules.inside_git(prefix, read_git_ignore_file(folder / GIT_IGNORE_FILE))
        return rules

    def _walk(
        self, folder: Path, prefix: str, inside: tuple[tuple[int, int], ...], rules: IgnoreRules
    ) -> Iterator[tuple[str, Path | str | Exception]]:
        """The path of each file to read, the reason for leaving one out, or the error of a folder, with its name."""
        try:
            status = folder.stat()
            here = (status.st_dev, status.st_ino)
            if here in inside:
                yield prefix, CYCLE
                return
            names, broken = _list(folder)
            rules = self._with_own_rules(rules, folder, prefix, names)
        except (OSError, ValueError) as error:
            yield prefix, error
            return
        for name in (one for one in names if not rules.is_named(prefix + one)):
            left_out = _left_out(prefix + name, rules, is_broken=name in broken)
            if reason := left_out or broken.get(name) or self._not_chosen(folder / name, prefix + name):
                yield prefix + name, reason
            elif name.endswith("/"):
                yield from self._walk(folder / name, prefix + name, (*inside, here), rules)
            else:
                yield prefix + name, folder / name

    def _not_chosen(self, path: Path, name: str) -> str | None:
        """The reason for leaving a file out; None if it is read, and for a folder."""
        if name.endswith("/"):
            return None
        if self._include is not None:
            if not self._include.match_file(name):
                return NOT_INCLUDED
        elif format_of(path) is None:
            return OTHER_SUFFIX
        elif self._settings.format not in {AUTO, format_of(path)}:
            return OTHER_FORMAT
        return None if _is_regular(path) else NOT_REGULAR


def _left_out(name: str, rules: IgnoreRules, *, is_broken: bool) -> str | None:
    """The reason for leaving out a file or folder whatever it holds.

    A link that leads nowhere was or will be a folder, perhaps, and is left out where that would be.
    """
    if name.rstrip("/").rpartition("/")[2].startswith("."):
        return HIDDEN
    return rules.reason_to_leave_out(name) or (rules.reason_to_leave_out(f"{name}/") if is_broken else None)


def _rejected(root: Path, name: str, error: Exception, scope: Scope) -> Rejected:
    """Reject a folder, or a link that leads nowhere; its records are not known, so it has no id."""
    place = root / name
    problem = error.strerror if isinstance(error, OSError) else str(error)
    reason = f"{place}: cannot list the folder ({problem}). Check it and its permissions"
    if name and not name.endswith("/"):
        reason = f"{place}: a link that leads nowhere ({problem}). Mend it, or leave it out with --exclude"
    where: dict[str, JSON] = {"path": os.path.abspath(root), "folder": scope.path}  # noqa: PTH100 - keeps symlinks
    return Rejected(reason, str(place), record=where, source_name=scope.source_name)


def _list(folder: Path) -> tuple[list[str], dict[str, OSError]]:
    """The names in a folder, sorted, and the links that lead nowhere; folders end with ``/``, so that names suffice."""
    names, broken = [], {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if error := _broken(entry):
                broken[entry.name] = error
            names.append(f"{entry.name}/" if not error and entry.is_dir() else entry.name)
    return sorted(names), broken


def _broken(entry: os.DirEntry[str]) -> OSError | None:
    """The error of following a link to nothing, to itself, or to where this process may not look; None if none."""
    try:
        _ = entry.stat() if entry.is_symlink() else entry.is_dir()
    except OSError as error:
        return error
    return None


def _is_regular(path: Path) -> bool:
    """Return whether it is a regular file; True also if that cannot be found out, so that reading it reports why."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
