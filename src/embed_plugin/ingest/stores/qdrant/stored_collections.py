"""The collections of a Qdrant as they are stored, for what needs no model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.qdrant.sink import QdrantSink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.qdrant.backend import Backend

_NAMED = 20


class StoredCollections:
    """The collections of a Qdrant; usable in a ``with`` statement. Every method raises TargetError.

    Args:
        backend: Closed with it.
        folder_of: Returns the folder that a collection is kept in, or None if that is not on this machine's disk.
    """

    def __init__(self, backend: Backend, *, folder_of: Callable[[str], Path | None] = lambda _: None) -> None:
        self.target = backend.target
        self._backend = backend
        self._folder_of = folder_of

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self._backend.interrupt()
        self.close()

    def close(self) -> None:
        """Close the Qdrant, so that another process may open it."""
        self._backend.close()

    def names(self) -> list[str]:
        """The names of the collections, sorted."""
        return self._backend.collections()

    def aliases(self, name: str) -> list[str]:
        """The aliases of a collection, sorted; none where there are none, or where the key may not ask."""
        try:
            return sorted(alias for alias, of in self._backend.aliases().items() if of == name)
        except TargetError:
            return []

    def resolve(self, name: str) -> str:
        """The collection that a name stands for, which may be an alias.

        Raises:
            TargetError: there is no such collection; also as every method.
        """
        found = self._backend.resolve(name)
        if self._backend.describe(found) is None:
            there = self.names()
            some = ", ".join(map(repr, there[:_NAMED])) + (", ..." if len(there) > _NAMED else "")
            remedy = f"Name one of those that are there: {some}" if there else "It has none: ingest into it first"
            raise TargetError(f"{self.target} has no collection {name!r}. {remedy}")
        return found

    def describe(self, name: str) -> Description:
        """The description of a collection.

        Raises:
            TargetError: there is no such collection; also as every method.
        """
        description = self._backend.describe(name)
        if description is None:
            raise TargetError(f"{self.target} has no collection {name!r} any more. Run it again")
        return description

    def points(self, name: str) -> int:
        """The number of points of a collection."""
        return self._backend.count(name)

    def sink(self, name: str) -> QdrantSink:
        """The sink of a collection, which is closed with this and not by itself."""
        return QdrantSink(self._backend, name)

    def forget_sources(self, name: str, sources: Collection[str]) -> None:
        """Take sources off the identity of a collection, so that another root may have their names."""
        identity = self.describe(name).identity
        if identity is not None and not identity.sources.keys().isdisjoint(sources):
            left = {source: root for source, root in identity.sources.items() if source not in sources}
            self._backend.update(name, replace(identity, sources=left))

    def bytes_on_disk(self, name: str) -> int | None:
        """The bytes that a collection takes on this machine's disk, without holes; None where it is elsewhere."""
        folder = self._folder_of(name)
        if folder is None or not folder.is_dir():
            return None
        return sum(_bytes_of(path) for path in folder.rglob("*"))


def _bytes_of(path: Path) -> int:
    try:
        found = path.stat()
    except FileNotFoundError:  # a segment that was merged meanwhile
        return 0
    return getattr(found, "st_blocks", found.st_size // 512) * 512 if path.is_file() else 0
