"""``embed-plugin migrate``: a collection to another model, in place."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from embed_plugin.cli.options.collection import ApiKey, Collection, JsonFile, Target
from embed_plugin.cli.options.model import Model, load_encoder
from embed_plugin.cli.reports.output import counting_progress, print_facts, write_json
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part


def migrate(
    *,
    model: Model,
    to: Target,
    collection: Collection,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Remove the old vectors after the switch.")] = False,
    api_key: ApiKey = None,
    json_file: JsonFile = None,
) -> None:
    """Embed the stored texts again with another model, and switch the collection when all are there.

    Searches with the old model work until then. A migration that was stopped is continued by running it again.

    Example: embed-plugin migrate --model models/bge-small --to qdrant --collection docs --drop-old
    """
    import_part("embed_plugin.ingest", extra="ingest")
    # After the check: these need the extra, and take a second that other commands should not.
    from embed_plugin.ingest import migrate as migrate_collection  # noqa: PLC0415
    from embed_plugin.ingest import open_sink  # noqa: PLC0415

    with (
        stoppable(),
        open_sink(to, collection, api_key=api_key, create=False) as sink,
        counting_progress("migrate", "points") as on_progress,
    ):
        summary = migrate_collection(load_encoder(model), sink, drop_old=drop_old, on_progress=on_progress)
    facts = asdict(summary)
    if json_file:
        write_json(facts, json_file)
    else:
        print_facts({**facts, "dropped": len(summary.dropped), "seconds": f"{summary.seconds:.1f}"})
