"""Mirror a source: remove the chunks of records that it no longer has, with guards against removing too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from embed_plugin.ingest.ids import SeenIds
    from embed_plugin.ingest.partition import Shard
    from embed_plugin.ingest.sources import Scope
    from embed_plugin.ingest.stores.sink import Sink

_DELETED_AT_ONCE = 1024


@dataclass
class Gone:
    """The stored chunks of records that were not read.

    Attributes:
        points: Number of points compared.
        sources: Names of the records that are gone.
        others: Ids of their points, except the first of each record.
        firsts: Ids of the first points.
    """

    points: int = 0
    sources: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    firsts: list[str] = field(default_factory=list)

    @property
    def chunks(self) -> int:
        """Points to remove."""
        return len(self.others) + len(self.firsts)


def find_gone(sink: Sink, seen: SeenIds, shard: Shard, scopes: Collection[Scope]) -> Gone:
    """Find the stored chunks of these scopes and this shard whose record was not read.

    Points that another program made, and those without a record's id, are skipped.
    """
    gone = Gone()
    for page in sink.scan():
        keys = [chunk.key for chunk in page]
        for chunk, mine, is_there in zip(page, shard.holds(keys), seen.contains(keys), strict=True):
            inside = any(scope.holds(chunk.source_name, chunk.file) for scope in scopes)
            if chunk.is_foreign or not (mine and inside and chunk.source_id):
                continue
            gone.points += 1
            if is_there:
                continue
            (gone.others if chunk.index else gone.firsts).append(chunk.id)
            if not chunk.index:
                gone.sources.append(chunk.name)
    return gone


def refusal(gone: Gone, seen: SeenIds, *, complete: bool, max_delete: float) -> str | None:
    """Return the reason why nothing may be removed, or None.

    Args:
        gone: The chunks to remove.
        seen: The records that were read.
        complete: Whether every record could be read.
        max_delete: The largest part of the points that may be removed.
    """
    if not gone.chunks:
        return None
    found = (
        f"{gone.chunks:,} of {gone.points:,} points, of {len(gone.sources):,} records, are of no record that was read"
    )
    if not complete:
        return f"{found}, but not all could be read, so none was removed. Mend what was rejected, and run it again"
    if not len(seen):
        return f"{found}, for none was read at all, so none was removed. Check the paths"
    if gone.chunks > max_delete * gone.points:
        part = gone.chunks / gone.points
        return (
            f"{found}: {part:.1%}, and more than {max_delete:.1%} are not removed unasked. Allow it with --max-delete"
        )
    return None


def remove(gone: Gone, sink: Sink) -> None:
    """Remove the points, the first of each record last, so that a stopped run can be continued."""
    for ids in (gone.others, gone.firsts):
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            sink.delete(ids[start : start + _DELETED_AT_ONCE])
