"""``embed-plugin info``: the facts of a model folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embed_plugin
from embed_plugin.cli.reports.output import print_facts, write_json


def info(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    json_target: Annotated[str | None, typer.Option("--json", help="Write JSON to this file, - for stdout.")] = None,
) -> None:
    """Verify a model folder and show what it holds.

    Example:  embed-plugin info models/minilm-int8
    """
    from embed_plugin.cli.reports.model import facts_of, machine_of  # noqa: PLC0415 - loads the engine
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy

    spec = embed_plugin.read_model_folder(find_model_folder(folder))
    if json_target:
        write_json({**asdict(spec), "machine": machine_of(spec)}, json_target)
    else:
        print_facts({**facts_of(spec), **{f"sha256 of {name}": digest for name, digest in spec.files.items()}})
