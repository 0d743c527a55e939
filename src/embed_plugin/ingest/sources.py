"""Sources: named roots, whose records have ids of their own in a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable
from unicodedata import normalize

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.records import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embed_plugin.ingest.records import Record, Rejected

STDIN = "-"
"""The path of stdin."""


class Scope(NamedTuple):
    """A part of a source that a run reads.

    Attributes:
        source_name: The source's name.
        root: Its folder, absolute and in NFC, what is not Unicode in it escaped; empty if it has none.
        path: The file or folder that is read, relative to the root, with forward slashes; empty for the whole source.
    """

    source_name: str
    root: str = ""
    path: str = ""

    def holds(self, source_name: str, file: str) -> bool:
        """Return whether it covers the records of this file."""
        inside = not self.path or file == self.path or file.startswith(f"{self.path}/")
        return source_name == self.source_name and inside


@runtime_checkable
class LocatedRecords(Protocol):
    """Records that are read from sources, whose names depend on those that the collection has."""

    def locate(self, known: Mapping[str, str], /) -> Sequence[Scope]:
        """Choose the source of each path; called before the first record is read.

        Args:
            known: The root of each source of the collection, by its name.

        Raises:
            InvalidInputError: the collection has a source of this name with another root.
        """

    def __iter__(self) -> Iterator[Record | Rejected]: ...


def scope_of(path: str | Path, known: Mapping[str, str], *, name: str | None = None) -> Scope:
    """Choose the source of a path: the one below whose root it lies, else a new one.

    A new source is the folder, or for a file the folder that it is in, and is called by that folder's last component.

    Args:
        path: A folder or a file, or ``-`` for stdin, whose source is called ``stdin``.
        known: The root of each source of the collection, by its name.
        name: The source's name, if it was chosen; its root is then not compared.

    Raises:
        InvalidInputError: the collection has a source of this name with another root.
    """
    if str(path) == STDIN:
        return Scope(name or "stdin")
    resolved = Path(escaped(normalize("NFC", str(Path(path).resolve()))))
    roots = {one: root for one, root in known.items() if root and name in {None, one}}
    around = [(root, one) for one, root in roots.items() if resolved.is_relative_to(root)]
    if around:
        root, found = max(around, key=lambda pair: (len(pair[0]), pair[1] == Path(pair[0]).name))
        inside = resolved.relative_to(root).as_posix()
        return Scope(found, root, "" if inside == "." else inside)
    folder = resolved if Path(path).is_dir() else resolved.parent
    scope = Scope(name or folder.name or folder.as_posix(), str(folder), "" if folder == resolved else resolved.name)
    if name is None and known.get(scope.source_name, scope.root) != scope.root:
        raise _other_root(scope, known[scope.source_name])
    return scope


def _other_root(scope: Scope, root: str) -> InvalidInputError:
    there = root or "no folder"
    return InvalidInputError(
        f"{scope.root}: the collection has a source {scope.source_name!r} already, from {there}. Name this one with "
        f"--source NAME; or if that one has moved here, say --source {scope.source_name}"
    )


def scopes_of(paths: Sequence[str | Path], known: Mapping[str, str], *, name: str | None = None) -> list[Scope]:
    """Choose the source of each path; see :func:`scope_of`. A path may lie in the source of one before it."""
    scopes: list[Scope] = []
    for path in paths:
        roots = {**known, **{scope.source_name: scope.root for scope in scopes if name is None}}
        scopes.append(scope_of(path, roots, name=name))
    return scopes
