"""Migrate a collection to other models, in place or into a copy: make the vectors that change again, then switch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from embed_plugin.ingest.stores.sink import Migration, Store, StoredChunk
    from embed_plugin.protocols import TextEncoder


@dataclass(frozen=True)
class MigrationSummary:
    """Summary of a migration.

    Attributes:
        points: Points in the collection.
        embedded: Points that got a new dense vector in this run.
        dropped: Names of the vectors that were removed; the dense one that ingest makes has the empty name.
        seconds: Wall-clock time.
        without_text: Points without a text in their payload, which got no new vector: another program made them.
        opened_by: The line of Python that reads the dense vectors, as the layout's own store does.
        others: Points that got a new vector beside the dense one in this run, by kind: ``bm25``, ``sparse``, ``late``.
        names: The names of the vectors beside the dense one that are searched now, by their kind.
    """

    points: int
    embedded: int
    dropped: tuple[str, ...]
    seconds: float
    without_text: int = 0
    opened_by: str = ""
    others: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def migrate(
    encoder: TextEncoder,
    sink: Store,
    *,
    drop_old: bool = False,
    into: str | None = None,
    alias: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> MigrationSummary:
    """Migrate a collection to other models: make those vectors of its stored texts whose model changes, and no others.

    The models are the encoder and those that the sink was opened with, as ``CollectionSettings(sparse=..., late=...)``:
    a kind of vector whose model is not given, or is the collection's, stays as it is stored. A kind that the collection
    lacks is added. BM25 moves to the settings that are given, and from an older version of its tokens to the newest.

    Searches with the old models work until all points have the new vectors; then the collection is switched in one
    step, and is searched and written with the new models. Until then ingest is refused. A migration that was stopped is
    continued by running it again.

    With ``into``, the collection stays as it is, and a second one is made with the same ids, payloads and namespace,
    whose dense vector has no name, as the frameworks' stores expect; vectors that stay are copied.

    Args:
        encoder: The dense model to move to, or the collection's own.
        sink: The collection, opened with the models of other vectors to move to.
        drop_old: Remove the old vectors after the switch; by default they stay, for programs that still use them.
        into: The name of a new collection to make, instead of new vectors in this one.
        alias: A name that stands for the new collection when it is complete; it may stand for the old one until then.
        on_progress: Called after each page with the points embedded in this run, once for each kind of vector, and
            about how many there are.

    Raises:
        InvalidInputError: ``alias`` without ``into``, or ``drop_old`` with it; or the encoder's document prefix names
            fields, and it takes texts alone.
        RecordError: a chunk has more tokens than the model's limit, for nothing is truncated; or one of the other
            models refuses a text.
        SpaceMismatchError: a migration to other models is under way.
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
        total = migration.kinds() * sink.count(exact=False)
        done = 0
        for number, is_dense in _steps(migration, encoder, fields):
            done += number
            embedded += number if is_dense else 0
            if on_progress:
                on_progress(done, max(total, done))
        migration.finish()
    dropped = migration.drop_old() if drop_old else []
    return MigrationSummary(
        sink.count(),
        embedded,
        tuple(dropped),
        time.monotonic() - started,
        migration.without_text,
        migration.opened_by(),
        dict(migration.made),
        dict(migration.vectors()),
    )


def _steps(migration: Migration, encoder: TextEncoder, fields: PrefixFields) -> Iterator[tuple[int, bool]]:
    """Make what lacks; yields the number of points of each page, and whether they got a new dense vector."""
    for page in migration.unmigrated():
        _refuse_long(page, encoder.max_tokens, fields)
        migration.add(page, fields.encode([chunk.text for chunk in page], [chunk.fields for chunk in page]))
        yield len(page), True
    for number in migration.complete_others():
        yield number, False


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
