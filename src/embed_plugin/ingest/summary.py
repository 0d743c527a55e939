"""Summary of a run: counts of records, chunks and tokens."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest.window.compare import Change


@dataclass(frozen=True)
class IngestSummary:
    """Counts of a run; in a dry run, of the work it would do.

    Attributes:
        records: Records read, rejected ones included.
        empty: Records left out because they hold nothing but whitespace.
        rejected: Records and chunks that could not be read, cut or stored; they are in the dead-letter file.
        sources: Records by their status in the collection: ``new``, ``changed``, ``metadata_only``, ``unchanged``,
            ``empty``, and with ``mirror`` ``removed``.
        chunks: Chunks of the records: the sum of the next four and of those that the store refused.
        embedded: Chunks stored with a new vector.
        reused: Chunks stored with the vector of another point that has the same text; found with ``mirror`` only.
        metadata_only: Chunks whose text was stored, and whose metadata, record or number of chunks has changed.
        unchanged: Chunks that were stored already.
        removed: Stored chunks that a changed record no longer has, or whose record is gone.
        tokens: Tokens of the embedded chunks, special tokens and prefix included.
        unknown_tokens: Number of them that the tokenizer does not know; None if the encoder does not count them.
        seconds: Wall-clock time.
        texts_per_second: Chunks per second, embedded or not.
        mirror_refused: The reason if ``mirror`` removed nothing although there was something to remove; else None.
    """

    records: int
    empty: int
    rejected: int
    sources: Mapping[str, int]
    chunks: int
    embedded: int
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

    def add(
        self,
        changes: Sequence[Change],
        *,
        records: int,
        rejected: int,
        refused_chunks: int = 0,
        refused_reused: int = 0,
    ) -> None:
        """Count a stored window; of the refused chunks, so many had the vector of another point."""
        self.sources.update(change.status for change in changes)
        embedded = sum(len(change.embed) for change in changes)
        reused = sum(len(change.reuse) for change in changes)
        refreshed = sum(len(change.refresh) for change in changes)
        chunks = sum(change.count for change in changes)
        unknown = [chunk.unknown_tokens for change in changes for chunk in change.embed]
        self.knows_unknown = self.knows_unknown and None not in unknown
        self.counts.update(
            records=records,
            empty=sum(change.status == "empty" for change in changes),
            rejected=rejected + refused_chunks,
            chunks=chunks,
            embedded=embedded - (refused_chunks - refused_reused),
            reused=reused - refused_reused,
            metadata_only=refreshed,
            unchanged=chunks - embedded - reused - refreshed,
            removed=sum(len(change.stale) for change in changes),
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
            rejected=counts["rejected"],
            sources=dict(self.sources),
            chunks=counts["chunks"],
            embedded=counts["embedded"],
            reused=counts["reused"],
            metadata_only=counts["metadata_only"],
            unchanged=counts["unchanged"],
            removed=counts["removed"],
            tokens=counts["tokens"],
            unknown_tokens=counts["unknown"] if self.knows_unknown else None,
            seconds=seconds,
            texts_per_second=counts["chunks"] / seconds if seconds else 0.0,
            mirror_refused=self.mirror_refused,
        )
