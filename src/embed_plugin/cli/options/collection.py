"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Target: TypeAlias = Annotated[
    str,
    typer.Option(
        "--to", help="Folder of embedded Qdrant, edge:FOLDER, URL of a server, or :memory:.", show_default=False
    ),
]
Collection: TypeAlias = Annotated[str, typer.Option("--collection", help="Name of the collection.", show_default=False)]
ApiKey: TypeAlias = Annotated[
    str | None,
    typer.Option("--api-key", envvar="QDRANT_API_KEY", help="Key of the server.", show_envvar=True),
]
JsonFile: TypeAlias = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to this file, or - for stdout.")
]
