"""What ``embed-plugin ingest`` says of a run: while it goes on, at its end, and of a dry run what it would do."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from embed_plugin.cli.output import print_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest import Change, Estimate, IngestSummary, RecordReader

_SHOWN_SOURCES = 20


@dataclass(frozen=True)
class PlannedSource:
    """What a dry run found of one record.

    Attributes:
        source_id: The record's id.
        status: ``new``, ``changed``, ``metadata_only``, ``unchanged``, ``empty`` or ``removed``.
        chunks: Chunks that it has now.
        to_embed: Those that would get a new vector.
        to_delete: Stored chunks that would be removed; of a removed record, all: not counted one by one.
        tokens: Tokens to embed.
    """

    source_id: str
    status: str
    chunks: int = 0
    to_embed: int = 0
    to_delete: int | None = None
    tokens: int = 0


class Plan:
    """Keeps what a dry run finds, record by record."""

    def __init__(self) -> None:
        self.sources: list[PlannedSource] = []

    def add(self, change: Change) -> None:
        """Keep what a record would change."""
        tokens = sum(chunk.tokens for chunk in change.embed)
        planned = PlannedSource(
            change.source_id, change.status, change.count, len(change.embed), len(change.stale), tokens
        )
        self.sources.append(planned)

    def add_removed(self, source_ids: Sequence[str]) -> None:
        """Keep what a mirror would remove."""
        self.sources += [PlannedSource(source_id, "removed") for source_id in source_ids]

    def print(self) -> None:
        """Show the records that would change, some of them where they are many."""
        changing = [source for source in self.sources if source.status != "unchanged"]
        for source in changing[:_SHOWN_SOURCES]:
            line = f"{source.status.replace('_', ' '):<13} {source.source_id}"
            print(f"{line}  ({source.to_embed} of {source.chunks} chunks to embed, {source.tokens} tokens)")  # noqa: T201 - the command's output
        if len(changing) > _SHOWN_SOURCES:
            print(f"... and {len(changing) - _SHOWN_SOURCES:,} more; --json names them all")  # noqa: T201 - the same
        if changing:
            print()  # noqa: T201 - the same


class RunProgress:
    """A bar on stderr with rate and remaining time where that is a terminal; knows how far the run is."""

    def __init__(self, reader: RecordReader, bar: Progress) -> None:
        self.summary: IngestSummary | None = None
        self._reader = reader
        self._bar = bar
        self._task = bar.add_task("starting", total=reader.total_bytes)

    def update(self, summary: IngestSummary) -> None:
        """Show the summary so far."""
        self.summary = summary
        done = f"{summary.chunks:,} chunks, {summary.embedded:,} embedded, {summary.texts_per_second:,.0f} texts/s"
        self._bar.update(self._task, completed=self._reader.bytes_read, description=done)


@contextmanager
def run_progress(reader: RecordReader) -> Iterator[RunProgress]:
    """Show a run's progress while the block runs."""
    console = Console(stderr=True)
    columns = BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield RunProgress(reader, bar)


def facts_of(summary: IngestSummary, *, skipped_files: int) -> dict[str, object]:
    """The summary as it is printed."""
    facts = {**asdict(summary), "skipped_files": skipped_files}
    facts["sources"] = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in summary.sources.items()) or 0
    if facts.pop("mirror_refused"):
        facts["mirror"] = "refused"
    return {name: f"{value:,.1f}" if isinstance(value, float) else value for name, value in facts.items()}


def print_summary(summary: IngestSummary, *, skipped_files: int) -> None:
    """Print what was done."""
    print_facts(facts_of(summary, skipped_files=skipped_files))


def print_estimate(estimate: Estimate) -> None:
    """Print what the work that a dry run found would cost."""
    rate = estimate.tokens_per_second
    print_facts(
        {
            "estimated_seconds": f"{estimate.seconds:,.0f}"
            + (f" ({rate:,.0f} tokens/s measured on these chunks)" if rate else ""),
            "vector_bytes": f"{estimate.vector_bytes:,} (float32)",
            "payload_bytes": f"{estimate.payload_bytes:,} (texts and metadata)",
        }
    )


def say_stopped(progress: RunProgress, *, dry_run: bool) -> None:
    """Say what was done before a run was stopped, and how to go on."""
    done = progress.summary.records if progress.summary else 0
    doing = "counted" if dry_run else "stored"
    sys.stderr.write(f"Stopped: {done:,} records are {doing}. Run the same command again to go on.\n")
