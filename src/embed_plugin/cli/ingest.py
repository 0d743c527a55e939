"""``embed-plugin ingest``: files and records into a Qdrant collection."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from embed_plugin.cli import INTERRUPTED
from embed_plugin.cli.model import Model, load_encoder
from embed_plugin.cli.output import print_facts, write_json
from embed_plugin.optional_imports import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.ingest import IngestSummary, RecordReader


class RecordFormat(StrEnum):
    """How files become records."""

    auto = "auto"
    text = "text"
    jsonl = "jsonl"


Target: TypeAlias = Annotated[
    str,
    typer.Option("--to", help="Folder of embedded Qdrant, URL of a server, or :memory:.", show_default=False),
]
Collection: TypeAlias = Annotated[str, typer.Option("--collection", help="Name of the collection.", show_default=False)]
ApiKey: TypeAlias = Annotated[
    str | None,
    typer.Option("--api-key", envvar="QDRANT_API_KEY", help="Key of the server.", show_envvar=True),
]
JsonFile: TypeAlias = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to this file, or - for stdout.")
]


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or - for stdin.", show_default=False)],
    *,
    model: Model,
    to: Target,
    collection: Collection,
    id_field: Annotated[str | None, typer.Option(help="Field of a JSON line that names the record.")] = None,
    text_field: Annotated[str, typer.Option(help="Field of a JSON line that is embedded.")] = "text",
    format: Annotated[RecordFormat, typer.Option(help="auto goes by the suffix.")] = RecordFormat.auto,  # noqa: A002 - the option's name
    chunk_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a chunk.", show_default="model's limit")
    ] = None,
    overlap_tokens: Annotated[int, typer.Option(help="Tokens a chunk repeats of the one before.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be done; write nothing.")] = False,
    api_key: ApiKey = None,
    json_file: JsonFile = None,
) -> None:
    """Embed records into a Qdrant collection; run it again and only what is new or changed is embedded.

    Text and Markdown files are one record each, named by their path in that folder. In .jsonl and .ndjson
    files and on stdin, every line is a JSON object; with --format text, every line on stdin is a text.

    Example: embed-plugin ingest docs/ --model models/minilm-int8 --to qdrant --collection docs
    """
    import_part("embed_plugin.ingest", extra="ingest")
    # After the check: these need the extra, and take a second that other commands should not.
    from embed_plugin.ingest import IngestSettings, ReaderSettings, RecordReader, open_sink  # noqa: PLC0415
    from embed_plugin.ingest import ingest as ingest_records  # noqa: PLC0415

    reader = RecordReader(paths, settings=ReaderSettings(format=format.value, id_field=id_field, text_field=text_field))
    settings = IngestSettings(chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens, dry_run=dry_run)
    with (
        open_sink(to, collection, api_key=api_key, create=not dry_run) as sink,
        _progress(reader, dry_run=dry_run) as on_progress,
    ):
        summary = ingest_records(reader, load_encoder(model), sink, settings=settings, on_progress=on_progress)
    if json_file:
        write_json({**asdict(summary), "skipped_files": len(reader.skipped), "dry_run": dry_run}, json_file)
    else:
        _print_summary(summary, skipped_files=len(reader.skipped), dry_run=dry_run)


@contextmanager
def _progress(reader: RecordReader, *, dry_run: bool) -> Iterator[Callable[[IngestSummary], None]]:
    """Show the progress on stderr where that is a terminal; say what was done when the user stops the run."""
    console = Console(stderr=True)
    latest: IngestSummary | None = None
    bar = Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("starting", total=reader.total_bytes)

    def on_progress(summary: IngestSummary) -> None:
        nonlocal latest
        latest = summary
        rate = f"{summary.texts_per_second:,.0f} texts/s"
        done = f"{summary.chunks:,} chunks, {summary.embedded:,} embedded, {rate}"
        bar.update(task, completed=reader.bytes_read, description=done)

    try:
        with bar:
            yield on_progress
    except KeyboardInterrupt:
        done = latest.records if latest else 0
        doing = "counted" if dry_run else "stored"
        sys.stderr.write(f"Stopped: {done:,} records are {doing}. Run the same command again to go on.\n")
        raise typer.Exit(INTERRUPTED) from None


def _print_summary(summary: IngestSummary, *, skipped_files: int, dry_run: bool) -> None:
    facts = {**asdict(summary), "skipped_files": skipped_files}
    if dry_run:
        sys.stderr.write("Dry run: nothing was embedded or written.\n")
    print_facts({name: f"{value:,.1f}" if isinstance(value, float) else value for name, value in facts.items()})
