"""``embed-plugin verify``: check a collection's chunks, texts and vectors."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli import FAILED
from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model
from embed_plugin.cli.options.other_models import OtherModels
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.ingest import Verification


@with_option_groups
def verify(
    *,
    model: Model,
    target: CollectionOptions,
    other_models: OtherModels,
    sample: Annotated[int, typer.Option(min=0, help="Texts to embed again.")] = 64,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Scan a collection for missing, surplus and stray chunks and for wrong texts and vectors; exit with 1 if any.

    Example: embed-plugin verify --model models/minilm-int8 --to qdrant --collection docs
    """
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import verify as verify_collection  # noqa: PLC0415 - after the check

    started = time.monotonic()
    models = other_models.models(model)
    with stoppable("Stopping"), target.opened(settings=models.settings()) as sink:
        encoder = models.encoder()
        with shown_progress("verify", quiet=quiet) as show:
            found = verify_collection(
                encoder, sink, sample=sample, on_progress=lambda done, total: show(Amount(done, total, "point"))
            )
    if json_file:
        write_json({**asdict(found), "seconds": time.monotonic() - started}, json_file)
    else:
        _print(found)
    if not found.is_sound:
        raise typer.Exit(FAILED)


def _print(found: Verification) -> None:
    facts: dict[str, object] = {"points": f"{found.points:,}", "records": f"{found.sources:,}"}
    if found.foreign:
        facts["foreign points"] = f"{found.foreign:,}: another program made them, so they are not checked"
    facts["embedded again"] = f"{found.sampled:,}, least cosine {found.least_cosine:.4f}"
    facts |= {f"least cosine of {name}": f"{cosine:.4f}" for name, cosine in found.least_cosines.items()}
    if found.unchecked:
        facts["not checked"] = f"{', '.join(found.unchecked)}: give the models with --sparse and --late"
    facts |= {name: f"{count:,}: {', '.join(found.examples[name])}" for name, count in found.problems.items()}
    print_facts({**facts, "result": "sound" if found.is_sound else "NOT SOUND"})
