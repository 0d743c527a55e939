"""``embed-plugin migrate``: move a collection to other models, in place or into a copy."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model
from embed_plugin.cli.options.other_models import MovedModels
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, warn_of_cut, write_json
from embed_plugin.cli.reports.progress import Amount, done_so_far, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.ingest import MigrationSummary


@with_option_groups
def migrate(
    *,
    model: Model,
    target: CollectionOptions,
    moved: MovedModels,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Remove the old vectors after the switch.")] = False,
    into: Annotated[
        str | None, typer.Option(help="Make this collection instead, and leave the old one as it is.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="With --into: a name that stands for the new collection when it is complete.")
    ] = None,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="End a migration in place that was stopped, and keep the old vectors.")
    ] = False,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Embed the stored texts again with other models, and switch the collection when all vectors are there.

    Only vectors whose model changes are made: the dense ones if --model is another than the collection's, sparse ones
    and those of tokens with --sparse and --late. Searches with the old models work until then. A migration that was
    stopped is continued by running it again.

    Example: embed-plugin migrate --model models/bge-small --to qdrant --collection docs --drop-old
    """
    if (alias and not into) or (drop_old and into):
        raise typer.BadParameter("give --alias only with --into, and --drop-old only without it")
    if give_up and (into or drop_old or moved.given()):
        raise typer.BadParameter("ends a migration, and goes with no other option but --model", param_hint="--give-up")
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import migrate as migrate_collection  # noqa: PLC0415 - after the check

    if give_up:
        with target.opened() as sink:
            removed = sink.give_up_migration()
        _report({"given_up": removed}, {"given up": ", ".join(removed)}, json_file)
        return
    folders = moved.models(model)
    models = moved.settings(folders)
    with stoppable(), target.opened(settings=models) as sink:
        encoder = folders.encoder()
        with shown_progress("migrate", quiet=quiet, stopped=_stopped) as show:
            summary = migrate_collection(
                encoder,
                sink,
                drop_old=drop_old,
                into=into,
                alias=alias,
                on_progress=lambda done, total: show(Amount(done, total, "point")),
            )
    warn_of_cut(models)
    _report(asdict(summary), _facts(summary), json_file)


def _report(content: dict[str, object], facts: dict[str, object], json_file: str | None) -> None:
    if json_file:
        write_json(content, json_file)
    else:
        print_facts(facts)


def _facts(summary: MigrationSummary) -> dict[str, object]:
    """The facts to print, in the order of the summary; those of other vectors if there are any."""
    facts = asdict(summary) | {"dropped": len(summary.dropped), "seconds": f"{summary.seconds:.1f}"}
    others, names, without_text = facts.pop("others"), facts.pop("names"), facts.pop("without_text")
    facts |= {f"{kind} made": f"{count:,}" for kind, count in others.items()}
    if names:
        facts["named"] = ", ".join(f"{kind}: {name}" for kind, name in names.items())
    if without_text:
        facts["without text"] = f"{without_text:,}: another program stored them, and they got no new vector"
    return {**facts, "opened by": facts.pop("opened_by")}


def _stopped(amount: Amount) -> str:
    return f"{done_so_far(amount) or 'no points'} done. Run the same command again to go on"
