"""``embed-plugin ingest``: files and records into a Qdrant collection."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli import FAILED, REJECTED
from embed_plugin.cli.options import engine as working
from embed_plugin.cli.options import reading
from embed_plugin.cli.options import target as making
from embed_plugin.cli.options.collection import ApiKey, Collection, JsonFile, Target
from embed_plugin.cli.options.model import Model, load_encoder
from embed_plugin.cli.reports.ingest import DryRun, print_summary, run_progress
from embed_plugin.cli.reports.output import warn_of_unknown, write_json
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embed_plugin.ingest import IngestSummary, ReaderSettings, Rejected
    from embed_plugin.ingest.read.source import Source


def ingest(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, or - for stdin.", show_default=False)
    ] = None,
    *,
    model: Model,
    to: Target,
    collection: Collection,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Remove what is stored of records that are not there any more.")
    ] = False,
    max_delete: Annotated[
        float, typer.Option(help="Largest part of the points that --mirror may remove.", min=0, max=1)
    ] = 0.1,
    shard: Annotated[str, typer.Option(help="Take part I of N of the records.", metavar="I/N")] = "1/1",
    chunk_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a chunk.", show_default="model's limit")
    ] = None,
    overlap_tokens: Annotated[int, typer.Option(help="Tokens a chunk repeats of the one before.")] = 0,
    rejected: Annotated[
        Path | None,
        typer.Option(help="File for what is rejected.", show_default="COLLECTION.rejected.jsonl"),
    ] = None,
    retry_rejected: Annotated[
        Path | None, typer.Option(help="Try what is in this file again, instead of paths.", show_default=False)
    ] = None,
    engine: working.Engine = working.EngineName.local,
    ray_workers: working.RayWorkers = None,
    ray_cpus: working.RayCpus = None,
    recreate: making.Recreate = False,
    yes: making.Yes = False,
    api_key: ApiKey = None,
    json_file: JsonFile = None,
    format: reading.FormatOption = reading.RecordFormat.auto,  # noqa: A002 - the option's name
    id_field: reading.IdField = None,
    text_field: reading.TextFields = None,
    metadata_field: reading.MetadataFields = None,
    encoding: reading.Encoding = None,
    delimiter: reading.Delimiter = None,
    include: reading.Include = None,
    exclude: reading.Exclude = None,
    max_record_mb: reading.MaxRecordMegabytes = 64,
    layout: making.Layout = None,
    distance: making.Distance = None,
    sparse: making.Sparse = None,
    vectors_on_disk: making.VectorsOnDisk = None,
    payload_on_disk: making.PayloadOnDisk = None,
    datatype: making.Datatype = None,
    quantisation: making.Quantisation = None,
    shards: making.Shards = None,
    replication_factor: making.ReplicationFactor = None,
    hnsw_m: making.HnswM = None,
    hnsw_ef_construct: making.HnswEfConstruct = None,
    payload_index: making.PayloadIndexes = None,
    bulk_load: making.BulkLoad = False,
) -> None:
    """Embed records into a Qdrant collection; run it again and only what is new or changed is embedded.

    Files of text, Markdown, HTML and code are one record each, named by their path in the folder that was given; of
    JSON lines, CSV, TSV and Parquet, each line or row is one. What cannot be read or stored is written to a file with
    the reason, and the run goes on. Ctrl-C finishes what is under way. Exit codes: 0 done, 1 failed, 2 wrong usage,
    3 some were rejected, 130 stopped.

    Example: embed-plugin ingest docs/ --model models/minilm-int8 --to qdrant --collection docs
    """
    making.require_yes(recreate=recreate, yes=yes)
    if bool(paths) == bool(retry_rejected) or (retry_rejected and mirror):
        raise typer.BadParameter("give paths, or --retry-rejected FILE without paths and --mirror")
    import_part("embed_plugin.ingest", extra="ingest")
    # After the check: these need the extra, and take a second that other commands should not.
    from embed_plugin.ingest import IngestSettings, Observer, Shard, open_sink  # noqa: PLC0415
    from embed_plugin.ingest import ingest as ingest_records  # noqa: PLC0415

    settings = IngestSettings(
        chunk_tokens=chunk_tokens,
        overlap_tokens=overlap_tokens,
        shard=Shard.parse(shard),
        mirror=mirror,
        max_delete=max_delete,
        dry_run=dry_run,
    )
    read_as = reading.reader_settings(
        format=format,
        id_field=id_field,
        text_fields=text_field,
        metadata_fields=metadata_field,
        encoding=encoding,
        delimiter=delimiter,
        include=include,
        exclude=exclude,
        max_record_megabytes=max_record_mb,
    )
    made_as = making.collection_settings(
        layout=layout,
        distance=distance,
        sparse=sparse,
        vectors_on_disk=vectors_on_disk,
        payload_on_disk=payload_on_disk,
        datatype=datatype,
        quantisation=quantisation,
        shards=shards,
        replication_factor=replication_factor,
        hnsw_m=hnsw_m,
        hnsw_ef_construct=hnsw_ef_construct,
        payload_indexes=payload_index,
        bulk_load=bulk_load,
    )
    letters = _Letters(
        rejected or Path(f"{collection.replace('/', '_')}.rejected.jsonl"), retry_rejected, dry_run=dry_run
    )
    found = DryRun() if dry_run else None
    with (
        working.workers_on(engine, target=to, workers=ray_workers, cpus=ray_cpus) as workers,
        stoppable(),
        open_sink(to, collection, api_key=api_key, create=not dry_run, settings=made_as) as sink,
    ):
        encoder = load_encoder(model)
        if recreate and not dry_run:
            sink.recreate(encoder)
        with letters.opened(paths, read_as) as (records, on_rejected), run_progress(records, dry_run=dry_run) as shown:
            observer = found.observer(shown) if found else Observer(shown, on_rejected=on_rejected)
            summary = ingest_records(records, encoder, sink, settings=settings, observer=observer, workers=workers)
        facts: dict[str, object] = {"dry_run": dry_run, "skipped_files": records.skipped.total()}
        facts |= found.facts(encoder) if found else {"rejected_file": letters.used(summary)}
    warn_of_unknown(summary.unknown_tokens, summary.tokens)
    if json_file:
        write_json({**asdict(summary), **facts}, json_file)
    else:
        print_summary(summary, facts)
    _exit(summary, letters.used(summary))


@dataclass(frozen=True)
class _Letters:
    """Where what is rejected goes, and perhaps comes from."""

    path: Path
    retried: Path | None
    dry_run: bool = field(kw_only=True)

    @contextmanager
    def opened(
        self, paths: list[str] | None, settings: ReaderSettings
    ) -> Iterator[tuple[Source, Callable[[Sequence[Rejected]], None]]]:
        """What is read, and whom to tell what is rejected of it."""
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
        """The file that says why, where something was rejected."""
        return str(self.retried or self.path) if summary.rejected and not self.dry_run else None


def _exit(summary: IngestSummary, letters: str | None) -> None:
    """Say what is not as it should be, and end with its exit code."""
    if summary.mirror_refused:
        sys.stderr.write(f"embed-plugin: {summary.mirror_refused}\n")
    if summary.rejected:
        where = f". {letters} says why; mend that, and try again with  --retry-rejected {letters}" if letters else ""
        sys.stderr.write(f"embed-plugin: {summary.rejected:,} records or chunks were rejected{where}\n")
    if summary.mirror_refused or summary.rejected:
        raise typer.Exit(FAILED if summary.mirror_refused else REJECTED)
