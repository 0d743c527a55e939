"""Migrate a collection to another model in place: embed the stored texts again, then switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.stores.sink import Store, StoredChunk
    from embed_plugin.protocols import TextEncoder


@dataclass(frozen=True)
class MigrationSummary:
    """Summary of a migration.

    Attributes:
        points: Points in the collection.
        embedded: Points that got a new vector in this run.
        dropped: Names of the dense vectors that were removed; the one that ingest makes has the empty name.
        seconds: Wall-clock time.
    """

    points: int
    embedded: int
    dropped: tuple[str, ...]
    seconds: float


def migrate(
    encoder: TextEncoder,
    sink: Store,
    *,
    drop_old: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> MigrationSummary:
    """Migrate a collection to another model: embed its stored texts again, into a second vector of each point.

    Searches with the old model work until all points have the new vector; then the collection is switched in one step,
    and is searched and written with the new model. Until then ingest is refused. A migration that was stopped is
    continued by running it again.

    Args:
        encoder: The model to move to.
        sink: The collection.
        drop_old: Remove the old vectors after the switch; by default they stay, for programs that still use them.
        on_progress: Called after each page with the points embedded in this run and about how many there are.

    Raises:
        RecordError: a chunk has more tokens than the model's limit; nothing is truncated.
        SpaceMismatchError: a migration to a third space is under way.
        TargetError: there is no such collection, or the store cannot be reached.
    """
    started = time.monotonic()
    migration = sink.migration(encoder)
    embedded = 0
    if migration.start():
        points = sink.count(exact=False)
        for page in migration.unmigrated():
            _refuse_long(page, encoder)
            migration.add(page, encoder.encode_documents([chunk.text for chunk in page]))
            embedded += len(page)
            if on_progress:
                on_progress(embedded, max(points, embedded))
        migration.finish()
    dropped = migration.drop_old() if drop_old else []
    return MigrationSummary(sink.count(), embedded, tuple(dropped), time.monotonic() - started)


def _refuse_long(chunks: Sequence[StoredChunk], encoder: TextEncoder) -> None:
    counts = encoder.count_tokens([chunk.text for chunk in chunks])
    for chunk, count in zip(chunks, counts, strict=True):
        if count > encoder.max_tokens:
            message = (
                f"{chunk.name} [{chunk.index}]: {count} tokens, and the model takes {encoder.max_tokens}. Ingest "
                "the source into a new collection with it, or take a model with a higher limit"
            )
            raise RecordError(message)
