"""``embed-plugin ingest``: store files and records in a Qdrant collection."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli import FAILED, REJECTED
from embed_plugin.cli.options.collection import CollectionOptions, JsonFile, Recreation
from embed_plugin.cli.options.engine import Engine
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model
from embed_plugin.cli.options.new_collection import NewCollection
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.options.reading import Reading
from embed_plugin.cli.options.run import Rejections, Run
from embed_plugin.cli.printable import count_of, say
from embed_plugin.cli.reports.ingest import DryRun, print_summary, run_progress
from embed_plugin.cli.reports.left_out import LeftOut
from embed_plugin.cli.reports.output import warn_of_cut, warn_of_unknown, write_json
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.ingest import DeadLetterFile, IngestSummary, Observer, QdrantSink, ReaderSettings, Sink
    from embed_plugin.ingest.read.skipped import SkippedItem
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
    job: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Take what is not given here from [jobs.NAME] of the file of settings."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name each file that is left out.")] = False,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Embed records into a Qdrant collection; run it again and only what is new or changed is embedded.

    Files of text, Markdown, HTML, code, DOCX and notebooks are one record each, named by their path in the folder that
    was given; of JSON, CSV, TSV and Parquet, each line, row or element is one; of PDF, PPTX, XLSX and EPUB each page,
    slide, sheet or chapter; mail is read with its attachments. What cannot be read or stored is written to a file with
    the reason, and the run goes on. Ctrl-C finishes what is under way. Exit codes: 0 done, 1 failed, 2 wrong usage,
    3 some were rejected, 130 stopped.

    Example: embed-plugin ingest docs/ --model models/minilm-int8 --to qdrant --collection docs
    """
    del job  # its options are defaults of the others: see embed_plugin.cli.settings_file
    recreate = recreation.confirmed()
    if bool(paths) == bool(rejections.retry_rejected) or (rejections.retry_rejected and run.mirror):
        raise typer.BadParameter("give paths, or --retry-rejected FILE without paths and --mirror")
    import_part("embed_plugin.ingest", extra="ingest")
    # Imported after the check for the extra, and here: they take a second that other commands are spared.
    from embed_plugin.ingest import ingest as ingest_records  # noqa: PLC0415

    models = new_collection.models(model)
    settings, read_as, made_as = run.settings(), reading.settings(), new_collection.settings(models)
    file = rejections.rejected or Path(f"{target.collection.replace('/', '_')}.rejected.jsonl")
    dead_letters = _DeadLetters(file, rejections.retry_rejected, dry_run=run.dry_run)
    left_out = LeftOut(verbose=verbose, keeps_names=json_file is not None)
    found = DryRun() if run.dry_run else None
    with (
        engine.workers(target=target.to) as workers,
        stoppable(),
        target.opened(create=not run.dry_run, settings=made_as) as sink,
    ):
        encoder = models.encoder()
        stored = sink if not recreate and sink.check(encoder) else None
        with (
            dead_letters.opened(paths, read_as, stored, on_skipped=left_out.skip) as (records, letters),
            run_progress(records, dry_run=run.dry_run, quiet=quiet) as shown,
        ):
            if recreate:
                _drop(sink, records, dry_run=run.dry_run)
            observer = left_out.watching(found.observer(shown) if found else _storing(shown, letters))
            summary = ingest_records(records, encoder, sink, settings=settings, observer=observer, workers=workers)
        facts: dict[str, object] = {"dry_run": run.dry_run, **left_out.facts(records.skipped)}
        facts |= found.facts(encoder) if found else {"rejected_file": dead_letters.used(summary)}
    left_out.warn(records.skipped, summary, paths or [])
    warn_of_unknown(summary.unknown_tokens, summary.tokens)
    warn_of_cut(made_as)
    if json_file:
        write_json({**asdict(summary), **facts}, json_file)
    else:
        print_summary(summary, facts, records.skipped)
    _exit(summary, dead_letters.used(summary), left_out.first_reason)


def _drop(sink: QdrantSink, records: Source, *, dry_run: bool) -> None:
    """Drop the collection, unless the paths cannot be ingested together; in a dry run, only check."""
    from embed_plugin.ingest.sources import LocatedRecords  # noqa: PLC0415 - needs the extra

    if isinstance(records, LocatedRecords):
        records.locate({})
    sink.drop(dry_run=dry_run)


@dataclass(frozen=True)
class _DeadLetters:
    """The file that rejected records are written to, or read from for another try."""

    path: Path
    retried: Path | None
    dry_run: bool = field(kw_only=True)

    @contextmanager
    def opened(
        self,
        paths: list[str] | None,
        settings: ReaderSettings,
        stored: Sink | None,
        *,
        on_skipped: Callable[[SkippedItem], None],
    ) -> Iterator[tuple[Source, DeadLetterFile]]:
        """Yield the records to ingest, and the file for those rejected, which a dry run does not write.

        ``stored`` is the collection, if it is there: letters whose records were stored since are not tried.
        """
        from embed_plugin.ingest import DeadLetterFile, RecordReader, read_dead_letters, retrying  # noqa: PLC0415
        from embed_plugin.ingest.rejected.dead_letter import again_file  # noqa: PLC0415

        if self.retried is None:
            with DeadLetterFile(self.path) as file:
                records = RecordReader(
                    paths or [],
                    settings=settings,
                    written=(self.path, again_file(self.path)),
                    on_skipped=on_skipped,
                    on_read=file.settle_file,
                )
                yield records, file
        elif self.dry_run:
            yield (
                read_dead_letters(self.retried, settings=settings, sink=stored, on_skipped=on_skipped),
                DeadLetterFile(self.path),
            )
        else:
            with retrying(self.retried) as file:
                yield read_dead_letters(self.retried, settings=settings, sink=stored, on_skipped=on_skipped), file

    def used(self, summary: IngestSummary) -> str | None:
        """Return the file with the reasons; None where no record was rejected."""
        return str(self.retried or self.path) if summary.rejected and not self.dry_run else None


def _storing(on_progress: Callable[[IngestSummary], None], letters: DeadLetterFile) -> Observer:
    """Return the observer of a run that stores."""
    from embed_plugin.ingest import Observer  # noqa: PLC0415 - needs the extra

    return Observer(on_progress, on_change=lambda change: letters.settle(change.record), on_rejected=letters.write)


def _exit(summary: IngestSummary, rejected_file: str | None, first_reason: str) -> None:
    """Report a refused mirror and rejected records on stderr, and exit with their code."""
    if summary.mirror_refused:
        say(summary.mirror_refused)
    if summary.rejected:
        retry = f"mend that, and try again with  --retry-rejected {rejected_file}"
        where = f". {rejected_file} says why; {retry}" if rejected_file else ""
        counts = {"record": summary.rejected_records, "chunk": summary.rejected_chunks}
        what = " and ".join(count_of(number, noun) for noun, number in counts.items() if number)
        say(f"{what} {'was' if summary.rejected == 1 else 'were'} rejected{where}")
        say(f"{'the reason' if summary.rejected == 1 else 'the first reason'}: {first_reason}")
    if summary.mirror_refused or summary.rejected:
        raise typer.Exit(FAILED if summary.mirror_refused else REJECTED)
