"""Mirror a source: remove the chunks of records that it no longer has, with guards against removing too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from embed_plugin.ingest.ids import SeenIds
    from embed_plugin.ingest.settings import IngestSettings
    from embed_plugin.ingest.stored_points import StoredPoints
    from embed_plugin.ingest.stores.sink import Sink, StoredChunk

_DELETED_AT_ONCE = 1024


@dataclass(frozen=True)
class Gone:
    """The stored chunks of records that were not read.

    Attributes:
        points: Number of points compared.
        records: Number of the records that are gone.
        others: Ids of their points, except the first of each record.
        firsts: Ids of the first points.
    """

    points: int
    records: int
    others: Sequence[str]
    firsts: Sequence[str]

    @property
    def chunks(self) -> int:
        """Points to remove."""
        return len(self.others) + len(self.firsts)


def find_gone(
    points: StoredPoints, seen: SeenIds, settings: IngestSettings, sources: Collection[str] | None = None
) -> Gone:
    """Find the stored chunks of a run's scope and shard whose record was not read.

    Args:
        points: The collection at the start of the run.
        seen: The records that were read.
        settings: The run's.
        sources: Names of the sources that were read; None for all.
    """
    inside = points.inside(points.sources if sources is None else sources)
    compared = inside & settings.shard.holds_hashes(points.keys)
    gone = compared & ~seen.contains_hashes(points.keys)
    return Gone(
        points=int(compared.sum()),
        records=len(np.unique(points.keys[gone])),
        others=points.ids_at(gone & ~points.first),
        firsts=points.ids_at(gone & points.first),
    )


def refusal(gone: Gone, seen: SeenIds, settings: IngestSettings, *, complete: bool) -> str | None:
    """Return the reason why nothing may be removed, or None.

    Args:
        gone: The chunks to remove.
        seen: The records that were read.
        settings: How much may be removed.
        complete: Whether every record could be read.
    """
    if not gone.chunks:
        return None
    found = f"{gone.chunks:,} of {gone.points:,} points, of {gone.records:,} records, are of no record that was read"
    if not complete:
        return f"{found}, but not all could be read, so none was removed. Mend what was rejected, and run it again"
    if not len(seen):
        return f"{found}, for none was read at all, so none was removed. Check the paths"
    if gone.records > settings.max_delete_records and gone.chunks > settings.max_delete * gone.points:
        part = gone.chunks / gone.points
        return (
            f"{found}: {part:.1%}, and more than {settings.max_delete:.1%} are not removed unasked. Allow it with "
            f"--max-delete, or with --max-delete-records (now {settings.max_delete_records:,})"
        )
    return None


def first_chunks(gone: Gone, sink: Sink) -> list[StoredChunk]:
    """The first chunk of each record that is gone, for reports."""
    return sorted(sink.retrieve(gone.firsts), key=lambda chunk: chunk.name)


def remove(gone: Gone, sink: Sink) -> None:
    """Remove the points, the first of each record last: it is where the next run looks for the others.

    If a stopped run had removed it first, and the record came back shorter, it would be a new one, and its old chunks
    beyond the new end would stay for ever.
    """
    for ids in (gone.others, gone.firsts):
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            sink.delete(ids[start : start + _DELETED_AT_ONCE])
