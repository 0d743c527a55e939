"""Remove records of a collection by name, each with all its chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.upkeep.conditions import OfSources, source_part
from embed_plugin.ingest.upkeep.contents import read_contents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.qdrant.stored_collections import StoredCollections
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.ingest.upkeep.conditions import RecordCondition
    from embed_plugin.ingest.upkeep.contents import Contents


@dataclass(frozen=True)
class Deletion:
    """The result of a deletion.

    Attributes:
        collection: The collection, which a name that was given may have been an alias of.
        records: Records that meet the conditions.
        chunks: Their chunks.
        sources: The names of the sources that they are of.
        missing: The parts of the conditions that no record meets.
        removed: Whether they were removed; they stay in a dry run, and if it was not confirmed.
    """

    collection: str
    records: int
    chunks: int
    sources: tuple[str, ...]
    missing: tuple[str, ...]
    removed: bool


def delete(
    collections: StoredCollections,
    collection: str,
    conditions: Sequence[RecordCondition],
    *,
    dry_run: bool = False,
    confirm: Callable[[Deletion], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Deletion:
    """Remove the records that meet every condition, each with all its chunks.

    A deletion that was killed is ended by running it again: the first chunk of a record, by which ingest finds the
    others, is removed after them. Sources that are named, without another condition, are taken off the collection's
    identity too, when their records are gone. Points that another program made stay.

    Args:
        collections: Of the target.
        collection: The name of one, or an alias.
        conditions: At least one.
        dry_run: Find the records, and remove nothing.
        confirm: Called with what was found, if there is something; nothing is removed if it returns False.
        on_progress: Called after each page of the search with the points read and about how many there are.

    Raises:
        InvalidInputError: there is no condition.
        TargetError: there is no such collection, it is none of ingest's, or a migration of it is under way; or the
            store cannot be reached.
        OutputError: the disk has no room for a temporary table.
    """
    if not conditions:
        raise InvalidInputError("no condition on the records to remove, expected at least one: name sources or ids")
    name = collections.resolve(collection)
    identity = _writable(collections, name)
    sink = collections.sink(name)
    whole = {one for each in conditions if isinstance(each, OfSources) for one in each.names} & identity.sources.keys()
    with read_contents(sink, conditions, on_progress=on_progress) as contents:
        found = _found(contents, name, missing=contents.missing([source_part(one) for one in whole]))
        if dry_run or (found.chunks and confirm is not None and not confirm(found)):
            return found
        _remove(contents, sink)
    if all(isinstance(each, OfSources) for each in conditions):
        collections.forget_sources(name, whole)
    return Deletion(name, found.records, found.chunks, found.sources, found.missing, removed=True)


def _writable(collections: StoredCollections, name: str) -> CollectionIdentity:
    identity = collections.describe(name).identity
    where = f"collection {name!r} in {collections.target}"
    if identity is None:
        raise TargetError(f"{where} was not made by this release of ingest. Name one that was")
    if identity.migrating_to:
        remedy = "Finish it first with  embed-plugin migrate, or end it with --give-up"
        raise TargetError(f"{where} has a migration under way. {remedy}")
    return identity


def _found(contents: Contents, name: str, *, missing: Sequence[str]) -> Deletion:
    sources = contents.sources()
    records, chunks = sum(one.records for one in sources), sum(one.chunks for one in sources)
    return Deletion(name, records, chunks, tuple(one.source for one in sources), tuple(missing), removed=False)


def _remove(contents: Contents, sink: Sink) -> None:
    """Remove the points, the first of each record last: see :func:`.mirror.remove`."""
    for first in (False, True):
        for ids in contents.ids(first=first):
            sink.delete(ids)
