"""The command line: one file per command, registered here."""

from __future__ import annotations

import typer

from embed_plugin.cli.cost import cost
from embed_plugin.cli.encode import encode
from embed_plugin.cli.evaluate import evaluate
from embed_plugin.cli.export import export
from embed_plugin.cli.info import info
from embed_plugin.cli.ingest import ingest
from embed_plugin.cli.migrate import migrate
from embed_plugin.cli.search import search
from embed_plugin.cli.serve import serve
from embed_plugin.cli.verify import verify

app = typer.Typer(
    name="embed-plugin",
    help="Text embeddings on ordinary CPUs, and from there into Qdrant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (export, info, encode, evaluate, ingest, search, verify, migrate, serve, cost):
    app.command()(command)
