"""``embed-plugin list``: the collections of a target, or the sources and records of one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.collection import JsonFile, TargetOptions
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.reports.stored import print_collections, print_contents, write_contents
from embed_plugin.cli.stopping import stoppable
from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.ingest import StoredCollections


@with_option_groups
def list_stored(
    *,
    target: TargetOptions,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="List the records of this source alone; repeatable.")
    ] = None,
    collections: Annotated[
        bool, typer.Option("--collections", help="List the collections, also where a variable or file names one.")
    ] = False,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """List the sources and records of a collection with the numbers of their chunks, or all collections of a target.

    It needs no model. The memory stays the same however many records there are.

    Example: embed-plugin list --to qdrant --collection docs
    """
    name = None if collections else target.collection
    if source and name is None:
        raise typer.BadParameter("narrows the list of a collection: give --collection too", param_hint="--source")
    import_part("embed_plugin.ingest", extra="ingest")
    with stoppable("Stopping"), target.stored() as stored:
        if name is None:
            _list_collections(stored, json_file)
        else:
            _list_records(stored, name, source or [], quiet=quiet, json_file=json_file)


def _list_collections(stored: StoredCollections, json_file: str | None) -> None:
    from embed_plugin.ingest import list_collections  # noqa: PLC0415 - needs the extra

    found = list_collections(stored)
    if json_file:
        write_json([asdict(one) for one in found], json_file)
    else:
        print_collections(found, stored.target)


def _list_records(
    stored: StoredCollections, collection: str, names: list[str], *, quiet: bool, json_file: str | None
) -> None:
    from embed_plugin.ingest import OfSources, read_contents  # noqa: PLC0415 - needs the extra
    from embed_plugin.ingest.upkeep.conditions import source_part  # noqa: PLC0415 - the same

    name = stored.resolve(collection)
    identity = stored.describe(name).identity
    roots = dict(identity.sources) if identity else {}
    with shown_progress("list", quiet=quiet) as show:
        contents = read_contents(
            stored.sink(name),
            [OfSources(names)] if names else [],
            on_progress=lambda done, total: show(Amount(done, total, "point")),
        )
    with contents:
        if missing := contents.missing([source_part(one) for one in roots]):
            remedy = f"embed-plugin list --to {stored.target} --collection {collection}  shows those that are there"
            raise InvalidInputError(f"collection {name!r} has no {', no '.join(missing)}: {remedy}")
        if json_file:
            write_contents(contents, {"target": stored.target, "collection": name}, roots, json_file)
        else:
            print_contents(contents, roots)
