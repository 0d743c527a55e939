"""``embed-plugin delete``: remove records of a collection by name."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli import FAILED
from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.printable import count_of, printable, say
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.ingest import Deletion, RecordCondition


@with_option_groups
def delete(
    *,
    target: CollectionOptions,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Remove the records of this source; repeatable.")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="RECORD", help="Remove this record, of any source or of those given; repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Remove records of a collection, each with all its chunks.

    With --source and --id, the records with these ids in these sources are removed. Records that are still in what is
    ingested come back with the next ingest. Run it again after a crash, and it ends the job. Exit codes: 0 all was
    found and removed, 1 not all was found, or it failed, 2 wrong usage.

    Example: embed-plugin delete --to qdrant --collection docs --id guide/old.md --yes
    """
    if not source and not record:
        raise typer.BadParameter("say what to remove: --source NAME, --id RECORD, or both")
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter("removes records, and nobody can be asked here. Add --yes if that is meant")
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import delete as delete_records  # noqa: PLC0415 - after the check

    with stoppable("Stopping"), target.stored() as stored, ExitStack() as progress:
        show = progress.enter_context(shown_progress("delete", quiet=quiet))
        found = delete_records(
            stored,
            target.collection,
            _conditions(source, record),
            dry_run=dry_run,
            confirm=None if yes else partial(_is_confirmed, progress),
            on_progress=lambda done, total: show(Amount(done, total, "point")),
        )
    if json_file:
        write_json({**asdict(found), "dry_run": dry_run}, json_file)
    else:
        print(_in_words(found, dry_run=dry_run))  # noqa: T201 - the command's output
    if found.missing:
        say(f"not found in collection {found.collection!r}: {', '.join(found.missing)}")
    if found.missing or not (found.removed or dry_run):
        raise typer.Exit(FAILED)


def _conditions(sources: list[str] | None, ids: list[str] | None) -> list[RecordCondition]:
    from embed_plugin.ingest import OfSources, WithIds  # noqa: PLC0415 - needs the extra

    by_source: list[RecordCondition] = [OfSources(sources)] if sources else []
    by_id: list[RecordCondition] = [WithIds(ids)] if ids else []
    return [*by_source, *by_id]


def _is_confirmed(progress: ExitStack, found: Deletion) -> bool:
    """Ask on the terminal, when the progress is off it."""
    progress.close()
    sys.stderr.write(f"Remove {_amount(found)}? [y/N] ")  # not typer's question, which writes a space to stdout
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _in_words(found: Deletion, *, dry_run: bool) -> str:
    done = "would be removed" if dry_run else "removed" if found.removed else "found, and not removed"
    return f"{_amount(found)} {done}"


def _amount(found: Deletion) -> str:
    """Return how much of what: ``7 chunks of 3 records of the source docs``."""
    amount = f"{count_of(found.chunks, 'chunk')} of {count_of(found.records, 'record')}"
    if not found.records:
        return amount
    names = ", ".join(repr(one) for one in found.sources)
    return printable(f"{amount} of the source{'' if len(found.sources) == 1 else 's'} {names}")
