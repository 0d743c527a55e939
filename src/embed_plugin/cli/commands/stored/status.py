"""``embed-plugin status``: the state of a collection."""

from __future__ import annotations

from dataclasses import asdict

from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.reports.stored import status_facts
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part


@with_option_groups
def status(*, target: CollectionOptions, quiet: Quiet = False, json_file: JsonFile = None) -> None:
    """Show what a collection holds, which models made its vectors, and what is under way.

    It needs no model: all is read from the collection. The model's name is shown if it is among the prepared ones.

    Example: embed-plugin status --to qdrant --collection docs
    """
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import collection_status  # noqa: PLC0415 - after the check

    with stoppable("Stopping"), target.stored() as stored, shown_progress("status", quiet=quiet) as show:
        found = collection_status(
            stored, target.collection, on_progress=lambda done, total: show(Amount(done, total, "point"))
        )
    if json_file:
        write_json(asdict(found), json_file)
    else:
        print_facts(status_facts(found))
