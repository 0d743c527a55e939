"""The typer application. Each command is one file, registered here.

Commands import the engine and the extras when they run, so that ``--help`` is fast and needs neither.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from embed_plugin.cli.commands.adopt import adopt
from embed_plugin.cli.commands.cost import cost
from embed_plugin.cli.commands.encode import encode
from embed_plugin.cli.commands.evaluate import evaluate
from embed_plugin.cli.commands.export import export
from embed_plugin.cli.commands.info import info
from embed_plugin.cli.commands.ingest import ingest
from embed_plugin.cli.commands.mcp import mcp
from embed_plugin.cli.commands.migrate import migrate
from embed_plugin.cli.commands.models import models
from embed_plugin.cli.commands.rerank import rerank
from embed_plugin.cli.commands.search import search
from embed_plugin.cli.commands.serve import serve
from embed_plugin.cli.commands.stored.delete import delete
from embed_plugin.cli.commands.stored.listing import list_stored
from embed_plugin.cli.commands.stored.status import status
from embed_plugin.cli.commands.verify import verify
from embed_plugin.cli.settings_file import defaults_of

app = typer.Typer(
    name="embed-plugin",
    help="Text embeddings on ordinary CPUs, and from there into Qdrant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (models, export, info, encode, evaluate, ingest, search, rerank):
    app.command()(command)
app.command("list")(list_stored)
for command in (status, delete, verify, adopt, migrate, serve, mcp, cost):
    app.command()(command)


def run() -> None:
    """Run the command of ``sys.argv``, with the defaults of the settings file.

    Raises:
        InvalidInputError: that file cannot be used.
    """
    group: Any = typer.main.get_command(app)  # the group of typer's own copy of click, or of click
    group(default_map=defaults_of(group.commands, sys.argv[1:]))
