"""Summary of a run: counts of records, chunks and tokens."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest.records import Rejected
    from embed_plugin.ingest.window.workers import Outcome


@dataclass(frozen=True)
class IngestSummary:
    """Counts of a run; in a dry run, of the work it would do.

    Attributes:
        records: Records read, of this run's shard: the stored (``new``, ``changed``, ``metadata_only`` and
            ``unchanged`` in ``sources``), ``rejected_records`` and ``empty`` together.
        empty: Records left out because they hold nothing but whitespace.
        rejected: ``rejected_records`` and ``rejected_chunks`` together.
        rejected_records: Records that could not be read or cut, or have the id of another, and those that such a
            rejection swallowed.
        rejected_chunks: Chunks that the store refused, and those that are not stored without them. Their records count
            as stored, in ``sources`` too, although they are not whole: the next run tries them again.
        numbers_as_text: Integers beyond 64 bits in the metadata of these records, which are stored as text.
        sources: Records by their status in the collection: ``new``, ``changed``, ``metadata_only``, ``unchanged``,
            ``empty``, and with ``mirror`` ``removed``.
        chunks: Chunks of the records: the sum of the next four and of those that the store refused.
        embedded: Chunks stored with a new vector.
        kept: Chunks of changed records whose text was stored: they keep their vectors.
        reused: Chunks stored with the vector of another point that has the same text: of the same record, or with
            ``mirror`` of any.
        metadata_only: Chunks of records of which nothing but the metadata has changed.
        unchanged: Chunks that were stored already.
        removed: Stored chunks that a changed record no longer has, or whose record is gone.
        tokens: Tokens of the embedded chunks, special tokens and prefix included.
        unknown_tokens: Number of them that the tokenizer does not know; None if the encoder does not count them.
        seconds: Wall-clock time.
        texts_per_second: Embedded chunks per second.
        mirror_refused: The reason if ``mirror`` removed nothing although there was something to remove; else None.
    """

    records: int
    empty: int
    rejected: int
    rejected_records: int
    rejected_chunks: int
    numbers_as_text: int
    sources: Mapping[str, int]
    chunks: int
    embedded: int
    kept: int
    reused: int
    metadata_only: int
    unchanged: int
    removed: int
    tokens: int
    unknown_tokens: int | None
    seconds: float
    texts_per_second: float
    mirror_refused: str | None


@dataclass
class Tally:
    """Running counts of a run."""

    started: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    mirror_refused: str | None = None
    knows_unknown: bool = True

    def add(self, outcome: Outcome, *, rejected: Sequence[Rejected] = ()) -> None:
        """Count a stored window, and what was rejected of it before it was handed to the workers."""
        changes, refused = outcome.changes, {one.key for one in outcome.refused}
        self.sources.update(change.status for change in changes)
        embedded = sum(len(change.embed) for change in changes)
        reused = sum(len(change.reuse) for change in changes)
        kept = sum(len(change.refresh) for change in changes if change.status == "changed")
        refreshed = sum(len(change.refresh) for change in changes) - kept
        chunks = sum(change.count for change in changes)
        unknown = [chunk.unknown_tokens for change in changes for chunk in change.embed]
        self.knows_unknown = self.knows_unknown and None not in unknown
        lost = sum(one.record_count for one in (*rejected, *outcome.uncut))
        self.counts.update(
            records=len(changes) + lost,
            empty=sum(change.status == "empty" for change in changes),
            rejected_records=lost,
            rejected_chunks=len(outcome.refused),
            numbers_as_text=sum(change.record.numbers_as_text for change in changes if change.status != "empty"),
            chunks=chunks,
            embedded=embedded - (len(outcome.refused) - outcome.refused_reused),
            kept=kept,
            reused=reused - outcome.refused_reused,
            metadata_only=refreshed,
            unchanged=chunks - embedded - reused - kept - refreshed,
            removed=sum(len(change.stale) for change in changes if change.key not in refused),
            tokens=sum(chunk.tokens for change in changes for chunk in change.embed),
            unknown=sum(filter(None, unknown)),
        )

    def removed_sources(self, *, sources: int, chunks: int) -> None:
        """Count the records and chunks that mirror removes."""
        self.sources["removed"] += sources
        self.counts["removed"] += chunks

    def summary(self) -> IngestSummary:
        """The counts so far."""
        seconds = time.monotonic() - self.started
        counts = self.counts
        return IngestSummary(
            records=counts["records"],
            empty=counts["empty"],
            rejected=counts["rejected_records"] + counts["rejected_chunks"],
            rejected_records=counts["rejected_records"],
            rejected_chunks=counts["rejected_chunks"],
            numbers_as_text=counts["numbers_as_text"],
            sources=dict(self.sources),
            chunks=counts["chunks"],
            embedded=counts["embedded"],
            kept=counts["kept"],
            reused=counts["reused"],
            metadata_only=counts["metadata_only"],
            unchanged=counts["unchanged"],
            removed=counts["removed"],
            tokens=counts["tokens"],
            unknown_tokens=counts["unknown"] if self.knows_unknown else None,
            seconds=seconds,
            texts_per_second=counts["embedded"] / seconds if seconds else 0.0,
            mirror_refused=self.mirror_refused,
        )
