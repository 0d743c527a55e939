"""``embed-plugin migrate``: move a collection to another model, in place or into a copy."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model, load_encoder
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cli.reports.progress import Amount, done_so_far, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part


@with_option_groups
def migrate(
    *,
    model: Model,
    target: CollectionOptions,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Remove the old vectors after the switch.")] = False,
    into: Annotated[
        str | None, typer.Option(help="Make this collection instead, and leave the old one as it is.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="With --into: a name that stands for the new collection when it is complete.")
    ] = None,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Embed the stored texts again with another model, and switch the collection when all are there.

    Searches with the old model work until then. A migration that was stopped is continued by running it again.

    Example: embed-plugin migrate --model models/bge-small --to qdrant --collection docs --drop-old
    """
    if (alias and not into) or (drop_old and into):
        raise typer.BadParameter("give --alias only with --into, and --drop-old only without it")
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import migrate as migrate_collection  # noqa: PLC0415 - after the check

    with stoppable(), target.opened() as sink:
        encoder = load_encoder(model)
        with shown_progress("migrate", quiet=quiet, stopped=_stopped) as show:
            summary = migrate_collection(
                encoder,
                sink,
                drop_old=drop_old,
                into=into,
                alias=alias,
                on_progress=lambda done, total: show(Amount(done, total, "point")),
            )
    facts = asdict(summary)
    if json_file:
        write_json(facts, json_file)
    else:
        without_text = facts.pop("without_text")
        if without_text:
            facts["without text"] = f"{without_text:,}: another program stored them, and they got no new vector"
        print_facts({**facts, "dropped": len(summary.dropped), "seconds": f"{summary.seconds:.1f}"})


def _stopped(amount: Amount) -> str:
    return f"{done_so_far(amount) or 'no points'} done. Run the same command again to go on"
