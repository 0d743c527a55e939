"""The command line: one file per command, registered here."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="embed-plugin",
    help="Text embeddings on ordinary CPUs, and from there into Qdrant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
