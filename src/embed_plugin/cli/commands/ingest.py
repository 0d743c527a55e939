"""``embed-plugin ingest``: store files and records in a Qdrant collection."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli import FAILED, REJECTED
from embed_plugin.cli.options.collection import CollectionOptions, JsonFile, Recreation
from embed_plugin.cli.options.engine import Engine
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model, load_encoder
from embed_plugin.cli.options.new_collection import NewCollection
from embed_plugin.cli.options.reading import Reading
from embed_plugin.cli.options.run import Rejections, Run
from embed_plugin.cli.reports.ingest import DryRun, print_summary, run_progress
from embed_plugin.cli.reports.output import warn_of_unknown, write_json
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embed_plugin.ingest import IngestSummary, ReaderSettings, Rejected
    from embed_plugin.ingest.read.source import Source


@with_option_groups
def ingest(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, or - for stdin.", show_default=False)
    ] = None,
    *,
    model: Model,
    target: CollectionOptions,
    recreation: Recreation,
    reading: Reading,
    run: Run,
    rejections: Rejections,
    engine: Engine,
    new_collection: NewCollection,
    json_file: JsonFile = None,
) -> None:
    """Embed records into a Qdrant collection; run it again and only what is new or changed is embedded.

    Files of text, Markdown, HTML and code are one record each, named by their path in the folder that was given; of
    JSON lines, CSV, TSV and Parquet, each line or row is one. What cannot be read or stored is written to a file with
    the reason, and the run goes on. Ctrl-C finishes what is under way. Exit codes: 0 done, 1 failed, 2 wrong usage,
    3 some were rejected, 130 stopped.

    Example: embed-plugin ingest docs/ --model models/minilm-int8 --to qdrant --collection docs
    """
    recreate = recreation.confirmed()
    if bool(paths) == bool(rejections.retry_rejected) or (rejections.retry_rejected and run.mirror):
        raise typer.BadParameter("give paths, or --retry-rejected FILE without paths and --mirror")
    import_part("embed_plugin.ingest", extra="ingest")
    # Imported after the check for the extra, and here: they take a second that other commands are spared.
    from embed_plugin.ingest import Observer  # noqa: PLC0415
    from embed_plugin.ingest import ingest as ingest_records  # noqa: PLC0415

    settings, read_as, made_as = run.settings(), reading.settings(), new_collection.settings()
    file = rejections.rejected or Path(f"{target.collection.replace('/', '_')}.rejected.jsonl")
    dead_letters = _DeadLetters(file, rejections.retry_rejected, dry_run=run.dry_run)
    found = DryRun() if run.dry_run else None
    with (
        engine.workers(target=target.to) as workers,
        stoppable(),
        target.opened(create=not run.dry_run, settings=made_as) as sink,
    ):
        encoder = load_encoder(model)
        if recreate:
            sink.recreate(encoder, dry_run=run.dry_run)
        with (
            dead_letters.opened(paths, read_as) as (records, on_rejected),
            run_progress(records, dry_run=run.dry_run) as shown,
        ):
            observer = found.observer(shown) if found else Observer(shown, on_rejected=on_rejected)
            summary = ingest_records(records, encoder, sink, settings=settings, observer=observer, workers=workers)
        facts: dict[str, object] = {"dry_run": run.dry_run, "skipped_files": records.skipped.total()}
        facts |= found.facts(encoder) if found else {"rejected_file": dead_letters.used(summary)}
    warn_of_unknown(summary.unknown_tokens, summary.tokens)
    if json_file:
        write_json({**asdict(summary), **facts}, json_file)
    else:
        print_summary(summary, facts)
    _exit(summary, dead_letters.used(summary))


@dataclass(frozen=True)
class _DeadLetters:
    """The file that rejected records are written to, or read from for another try."""

    path: Path
    retried: Path | None
    dry_run: bool = field(kw_only=True)

    @contextmanager
    def opened(
        self, paths: list[str] | None, settings: ReaderSettings
    ) -> Iterator[tuple[Source, Callable[[Sequence[Rejected]], None]]]:
        """Yield the records to ingest, and the function that takes those rejected."""
        from embed_plugin.ingest import DeadLetterFile, RecordReader, read_dead_letters, retrying  # noqa: PLC0415

        if self.retried is None:
            with DeadLetterFile(self.path) as file:
                yield RecordReader(paths or [], settings=settings), file.write
        elif self.dry_run:
            yield read_dead_letters(self.retried, settings=settings), lambda _: None
        else:
            with retrying(self.retried) as file:
                yield read_dead_letters(self.retried, settings=settings), file.write

    def used(self, summary: IngestSummary) -> str | None:
        """Return the file with the reasons; None where no record was rejected."""
        return str(self.retried or self.path) if summary.rejected and not self.dry_run else None


def _exit(summary: IngestSummary, rejected_file: str | None) -> None:
    """Report a refused mirror and rejected records on stderr, and exit with their code."""
    if summary.mirror_refused:
        sys.stderr.write(f"embed-plugin: {summary.mirror_refused}\n")
    if summary.rejected:
        retry = f"mend that, and try again with  --retry-rejected {rejected_file}"
        where = f". {rejected_file} says why; {retry}" if rejected_file else ""
        sys.stderr.write(f"embed-plugin: {summary.rejected:,} records or chunks were rejected{where}\n")
    if summary.mirror_refused or summary.rejected:
        raise typer.Exit(FAILED if summary.mirror_refused else REJECTED)
