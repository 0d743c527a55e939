"""Sources: named roots, whose records have ids of their own in a collection.

A record is known by its source and its place there. So a path is always looked for below the roots that the collection
has first: a folder or file of a source is that source's, wherever it is named from.
"""

from __future__ import annotations

import unicodedata
from itertools import accumulate
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embed_plugin.ingest.records import Record, Rejected

STDIN = "-"
"""The path of stdin."""

_STDIN_SOURCE = "stdin"


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


@runtime_checkable
class LocatedRecords(Protocol):
    """Records that are read from sources, whose names depend on those that the collection has."""

    def locate(self, known: Mapping[str, str], /) -> Sequence[Scope]:
        """Choose the source of each path; called before the first record is read.

        Args:
            known: The root of each source of the collection, by its name.

        Raises:
            InvalidInputError: the collection, or another path, has a source of this name with another root.
        """

    def __iter__(self) -> Iterator[Record | Rejected]: ...


def scopes_of(paths: Sequence[str | Path], known: Mapping[str, str], *, name: str | None = None) -> list[Scope]:
    """Choose the source of each path: the one below whose root it lies, of the collection or of this run, or a new one.

    A new source is the folder, or for a file the folder that it is in, and is called by that folder's last component.
    Stdin and pipes have no folder; their source is ``stdin``.

    With a name that was chosen, all paths are of that source. Its root is the one that it has, or the folder around the
    paths if there are folders elsewhere among them: a source moves with a folder, but not with a file.

    Args:
        paths: Folders and files, and ``-`` for stdin.
        known: The root of each source of the collection, by its name.
        name: The source's name, if it was chosen; its root is then not compared.

    Raises:
        InvalidInputError: the collection, or another path, has a source of this name with another root.
    """
    if name is not None:
        root = _common_root(paths, known.get(name, ""))
        return [_found(path, {name: root}) or Scope(name, root, _file_name(path)) for path in paths]
    scopes: dict[int, Scope] = {}
    new: dict[str, str] = {}
    folders: dict[str, str] = {}  # the folder that a file is in does not take in those that are named beside it
    for number in sorted(range(len(paths)), key=lambda one: _depth(paths[one])):
        scope = _found(paths[number], {**folders, **known}) or _new_scope(paths[number])
        if Path(paths[number]).is_dir():
            folders[scope.source_name] = scope.root
        if known.get(scope.source_name, scope.root) != scope.root:
            raise _other_root(scope, known[scope.source_name])
        if new.setdefault(scope.source_name, scope.root) != scope.root:
            raise _same_name(scope, new[scope.source_name])
        scopes[number] = scope
    return [scopes[number] for number in range(len(paths))]


class Coverage:
    """The files that scopes cover together.

    It is asked for every stored chunk, so the time that it takes does not depend on the number of scopes.
    """

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._paths: dict[str, set[str]] = {}
        for scope in scopes:
            self._paths.setdefault(scope.source_name, set()).add(scope.path)

    def holds(self, source_name: str, file: str) -> bool:
        """Return whether they cover the records of a file: its source, a folder around it, or itself."""
        paths = self._paths.get(source_name, set())
        return "" in paths or not paths.isdisjoint(accumulate(file.split("/"), "{}/{}".format))


def roots_of(scopes: Sequence[Scope]) -> dict[str, str]:
    """The root of each source by its name, for the collection's identity."""
    return {scope.source_name: scope.root for scope in scopes}


def _found(path: str | Path, roots: Mapping[str, str]) -> Scope | None:
    """The path's place in the source whose root is nearest above it.

    The path is followed upwards as it was given, and only then as its links lead, so that a link in a folder is the
    same record whether the folder is named or the link.
    """
    names: dict[str, str] = {}
    for name, root in roots.items():
        if root and (root not in names or name == _name_of(root)):
            names[root] = name
    for there in () if _is_stream(path) else (_as_given(path), _resolved(path)):
        for above in (there, *there.parents):
            root = _printable(above.resolve())
            if root in names:
                return Scope(names[root], root, _inside(there, above))
    return None


def _new_scope(path: str | Path) -> Scope:
    if _is_stream(path):
        return Scope(_STDIN_SOURCE)
    root = _printable(_folder_of(path))
    return Scope(_name_of(root), root, _file_name(path))


def _common_root(paths: Sequence[str | Path], root: str) -> str:
    """The root of a source of these paths: the one that it has if it can be, else the folder around them."""
    there = [path for path in paths if not _is_stream(path)]
    outside = [path for path in there if _found(path, {"": root}) is None]
    if not there or (root and not any(Path(path).is_dir() for path in outside)):
        return root
    return _printable(Path(commonpath([_folder_of(path) for path in there])))


def _is_stream(path: str | Path) -> bool:
    """Return whether it is stdin or a pipe, which has another path in every run."""
    return str(path) == STDIN or (Path(path).exists() and not Path(path).is_dir() and not Path(path).is_file())


def _as_given(path: str | Path) -> Path:
    """The absolute path with its links; one with ``..`` is resolved, for that means the folder behind a link."""
    return _resolved(path) if ".." in Path(path).parts else Path.cwd() / path


def _resolved(path: str | Path) -> Path:
    return Path(path).resolve()


def _folder_of(path: str | Path) -> Path:
    """The folder itself, or the one that the file, or the link to it, is in."""
    return _resolved(path) if Path(path).is_dir() else _as_given(path).parent.resolve()


def _file_name(path: str | Path) -> str:
    """The name of a file; empty for a folder and a stream."""
    is_file = not _is_stream(path) and not Path(path).is_dir()
    return unicodedata.normalize("NFC", _as_given(path).name) if is_file else ""


def _depth(path: str | Path) -> tuple[bool, int]:
    """Sorts folders before files, and outer ones before inner ones."""
    return not Path(path).is_dir(), len(_as_given(path).parent.resolve().parts)


def _inside(path: Path, root: Path) -> str:
    inside = path.relative_to(root).as_posix()
    return "" if inside == "." else unicodedata.normalize("NFC", inside)


def _name_of(root: str) -> str:
    return unicodedata.normalize("NFC", Path(root).name or root)


def _printable(path: Path) -> str:
    """The path as text that can be stored, shown and typed: other characters, and bytes that are none, are escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(path))


def _other_root(scope: Scope, root: str) -> InvalidInputError:
    here, there = scope.root or STDIN, root or STDIN
    return InvalidInputError(
        f"{here}: the collection has a source {scope.source_name!r} already, from {there}. Name this one with "
        f"--source NAME; or if that one has moved here, say --source {scope.source_name}"
    )


def _same_name(scope: Scope, root: str) -> InvalidInputError:
    return InvalidInputError(
        f"{scope.root or STDIN} and {root or STDIN} would both be the source {scope.source_name!r}. Ingest one after "
        "the other, and name one with --source NAME"
    )
