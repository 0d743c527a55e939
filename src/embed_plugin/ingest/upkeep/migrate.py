"""Migrate a collection to another model, in place or into a copy: embed the stored texts again, then switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields

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
        without_text: Points without a text in their payload, which got no new vector: another program made them.
        opened_by: The line of Python that reads the new vectors, as the layout's own store does.
    """

    points: int
    embedded: int
    dropped: tuple[str, ...]
    seconds: float
    without_text: int = 0
    opened_by: str = ""


def migrate(
    encoder: TextEncoder,
    sink: Store,
    *,
    drop_old: bool = False,
    into: str | None = None,
    alias: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> MigrationSummary:
    """Migrate a collection to another model: embed its stored texts again, into a second vector of each point.

    Searches with the old model work until all points have the new vector; then the collection is switched in one step,
    and is searched and written with the new model. Until then ingest is refused. A migration that was stopped is
    continued by running it again.

    With ``into``, the collection stays as it is, and a second one is made with the same ids, payloads and namespace,
    whose vector has no name, as the frameworks' stores expect.

    Args:
        encoder: The model to move to.
        sink: The collection.
        drop_old: Remove the old vectors after the switch; by default they stay, for programs that still use them.
        into: The name of a new collection to make, instead of a second vector.
        alias: A name that stands for the new collection when it is complete; it may stand for the old one until then.
        on_progress: Called after each page with the points embedded in this run and about how many there are.

    Raises:
        InvalidInputError: ``alias`` without ``into``, or ``drop_old`` with it; or the encoder's document prefix names
            fields, and it takes texts alone.
        RecordError: a chunk has more tokens than the model's limit; nothing is truncated.
        SpaceMismatchError: a migration to a third space is under way.
        TargetError: there is no such collection, the store cannot be reached, or the name of the new one is taken.
    """
    if (alias is not None and into is None) or (drop_old and into is not None):
        found = "an alias without a new collection" if into is None else "drop_old with a new collection"
        raise InvalidInputError(f"{found}: expected an alias only with into, and drop_old only without")
    started = time.monotonic()
    fields = PrefixFields(encoder)
    migration = sink.migration(encoder, into=into, alias=alias)
    embedded = 0
    if migration.start():
        points = sink.count(exact=False)
        for page in migration.unmigrated():
            _refuse_long(page, encoder.max_tokens, fields)
            migration.add(page, fields.encode([chunk.text for chunk in page], [chunk.fields for chunk in page]))
            embedded += len(page)
            if on_progress:
                on_progress(embedded, max(points, embedded))
        migration.finish()
    dropped = migration.drop_old() if drop_old else []
    return MigrationSummary(
        sink.count(),
        embedded,
        tuple(dropped),
        time.monotonic() - started,
        migration.without_text,
        migration.opened_by(),
    )


def _refuse_long(chunks: Sequence[StoredChunk], most: int, fields: PrefixFields) -> None:
    counts = fields.count_tokens([chunk.text for chunk in chunks], [chunk.fields for chunk in chunks])
    for chunk, count in zip(chunks, counts, strict=True):
        if count > most:
            name = f"point {chunk.id}" if chunk.is_foreign else f"{chunk.name} [{chunk.index}]"
            message = (
                f"{name}: {count} tokens, and the model takes {most}. Ingest "
                "the source into a new collection with it, or take a model with a higher limit"
            )
            raise RecordError(message)
