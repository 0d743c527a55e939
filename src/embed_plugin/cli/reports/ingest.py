"""Reports of ``embed-plugin ingest``: progress, the summary at the end, and the plan of a dry run."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.cli.printable import count_of, printable
from embed_plugin.cli.reports.left_out import in_words
from embed_plugin.cli.reports.output import print_facts
from embed_plugin.cli.reports.progress import Amount, shown_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from embed_plugin.ingest import Change, IngestSummary, Observer, Rejected, StoredChunk
    from embed_plugin.ingest.read.skipped import Skipped
    from embed_plugin.ingest.read.source import Source
    from embed_plugin.protocols import TextEncoder

_SHOWN_SOURCES = 20
_ONLY_IF_ANY = ("rejected_records", "rejected_chunks", "numbers_as_text")


@dataclass(frozen=True)
class PlannedSource:
    """The plan of a dry run for one record.

    Attributes:
        source_name: The record's source.
        source_id: The record's id.
        status: ``new``, ``changed``, ``metadata_only``, ``unchanged``, ``empty`` or ``removed``.
        chunks: Chunks of the record now.
        to_embed: Chunks that would get a new vector.
        reused: Chunks whose text another point has, with its vector.
        to_delete: Stored chunks that would be removed; None for a removed record, which loses all of them.
        tokens: Tokens to embed.
    """

    source_name: str
    source_id: str
    status: str
    chunks: int = 0
    to_embed: int = 0
    reused: int = 0
    to_delete: int | None = None
    tokens: int = 0


class DryRun:
    """Collects the plan of a dry run, record by record, and estimates its cost."""

    def __init__(self) -> None:
        from embed_plugin.ingest import Estimator  # noqa: PLC0415 - the command checks for the extra first

        self._sources: list[PlannedSource] = []
        self._reasons: list[str] = []
        self._estimator = Estimator()

    def observer(self, on_progress: Callable[[IngestSummary], None]) -> Observer:
        """Return an observer that collects the plan and passes progress on."""
        from embed_plugin.ingest import Observer  # noqa: PLC0415 - as above

        return Observer(on_progress, on_change=self._change, on_removed=self._removed, on_rejected=self._rejected)

    def facts(self, encoder: TextEncoder) -> dict[str, object]:
        """Return the plan for JSON: each record, the reason of each rejection, and the estimate."""
        return {
            "plan": [asdict(source) for source in self._sources],
            "rejections": self._reasons,
            "estimate": asdict(self._estimator.estimate(encoder)),
        }

    def _change(self, change: Change) -> None:
        tokens = sum(chunk.tokens for chunk in change.embed)
        record, counts = change.record, (change.count, len(change.embed), len(change.reuse), len(change.stale), tokens)
        self._sources.append(PlannedSource(record.source_name, record.source_id, change.status, *counts))
        self._estimator.add(change)

    def _removed(self, chunks: Sequence[StoredChunk]) -> None:
        self._sources += [PlannedSource(chunk.source_name, chunk.source_id, "removed") for chunk in chunks]

    def _rejected(self, rejected: Sequence[Rejected]) -> None:
        self._reasons += [one.reason for one in rejected]


@contextmanager
def run_progress(records: Source, *, dry_run: bool, quiet: bool) -> Iterator[Callable[[IngestSummary], None]]:
    """Show progress, by the bytes read, and name what takes long; say how much was done when stopped.

    Args:
        records: The source.
        dry_run: Records are only counted.
        quiet: Show no progress.
    """
    stored = 0

    def amount(note: str = "", rate: str = "") -> Amount:
        return Amount(records.bytes_read, total, "byte", note=note, rate=rate)

    def stopped(_: Amount) -> str:
        done = f"{'is' if stored == 1 else 'are'} {'counted' if dry_run else 'stored'}"
        return f"{count_of(stored, 'record')} {done}. Run the same command again to go on"

    total = None if quiet else records.total_bytes
    with _long_steps(named=not quiet), shown_progress("ingest", quiet=quiet, first=amount(), stopped=stopped) as show:

        def on_progress(summary: IngestSummary) -> None:
            nonlocal stored
            stored = summary.records - summary.rejected_records
            rate = f"{summary.texts_per_second:,.0f} texts/s" if summary.embedded and not dry_run else ""
            show(amount(f"{count_of(summary.chunks, 'chunk')}, {summary.embedded:,} embedded", rate))

        yield on_progress


@contextmanager
def _long_steps(*, named: bool) -> Iterator[None]:
    """Let files and records that take long be named, or not."""
    from embed_plugin.ingest import long_steps  # noqa: PLC0415 - the command checks for the extra first

    logger = logging.getLogger(long_steps.__name__)
    before = logger.disabled
    logger.disabled = before or not named
    try:
        yield
    finally:
        logger.disabled = before


def print_summary(summary: IngestSummary, facts: Mapping[str, Any], skipped: Skipped) -> None:
    """Print the counts of a run; for a dry run, its plan and estimate."""
    shown = asdict(summary)
    if facts["dry_run"] or not summary.embedded:
        del shown["texts_per_second"]
    shown["skipped_files"] = f"{facts['skipped_files']:,}" + (f": {in_words(skipped)}" if skipped.total() else "")
    shown["sources"] = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in summary.sources.items()) or 0
    shown = {name: value for name, value in shown.items() if value or name not in _ONLY_IF_ANY}
    shown["mirror"] = "refused" if shown.pop("mirror_refused") else None
    if facts["dry_run"]:
        _print_plan(facts["plan"])
        shown |= _estimated(facts["estimate"])
        sys.stderr.write("Dry run: nothing was embedded or written.\n")
    numbers = {name: f"{value:,.1f}" if isinstance(value, float) else value for name, value in shown.items()}
    print_facts({name: value for name, value in numbers.items() if value is not None})


def _print_plan(plan: Sequence[Mapping[str, Any]]) -> None:
    """Print the records that would change, the first 20 if there are more."""
    changing = [source for source in plan if source["status"] != "unchanged"]
    lines = [
        f"{source['status']:<13} {printable(source['source_id'])}{_counts(source)}"
        for source in changing[:_SHOWN_SOURCES]
    ]
    if len(changing) > _SHOWN_SOURCES:
        lines.append(f"... and {len(changing) - _SHOWN_SOURCES:,} more; --json names them all")
    if lines:
        print("\n".join([*lines, ""]))  # noqa: T201 - the command's output


def _counts(source: Mapping[str, Any]) -> str:
    if not source["chunks"]:
        return ""
    chunks, tokens = count_of(int(source["chunks"]), "chunk"), count_of(int(source["tokens"]), "token")
    return f"  ({source['to_embed']} of {chunks} to embed, {tokens})"


def _estimated(estimate: Mapping[str, Any]) -> dict[str, str]:
    rate = estimate["tokens_per_second"]
    return {
        "estimated_seconds": f"{estimate['seconds']:,.1f}" + (f" at {rate:,.0f} tokens/s" if rate else ""),
        "vector_bytes": f"{estimate['vector_bytes']:,}",
        "payload_bytes": f"{estimate['payload_bytes']:,}",
    }
