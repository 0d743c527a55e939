"""``embed-plugin mcp``: serve collections to agents by the Model Context Protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.collection import ApiKey, CaFile
from embed_plugin.cli.options.groups import OptionGroup, with_option_groups
from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import check_extra

if TYPE_CHECKING:
    from embed_plugin.mcp.settings import McpSettings


@dataclass(frozen=True, kw_only=True)
class McpOptions(OptionGroup, panel="Collections"):
    """The fields of ``McpSettings``."""

    target: Annotated[
        str,
        typer.Option("--to", help="Folder of embedded Qdrant, edge:FOLDER, or a server's URL.", show_default=False),
    ]
    collections: Annotated[
        list[str], typer.Option("--collection", help="Name of a collection; repeatable.", show_default=False)
    ]
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Model folder, or hub id of a prepared model, of a collection; repeatable.",
            show_default="found by the collection's fingerprint among the prepared models",
        ),
    ] = None
    api_key: ApiKey = field(default=None, repr=False)
    ca_file: CaFile = None
    release_seconds: Annotated[
        float,
        typer.Option(
            "--release-after", help="Seconds without a call after which the store is closed, for others to open."
        ),
    ] = 60.0

    def settings(self) -> McpSettings:
        """Make the settings."""
        from embed_plugin.mcp.settings import McpSettings  # noqa: PLC0415 - other commands do without

        try:
            return McpSettings(**self.given())
        except InvalidInputError as error:
            raise typer.BadParameter(str(error)) from error


@with_option_groups
def mcp(
    *,
    options: McpOptions,
    transport: Annotated[
        Literal["stdio", "http"], typer.Option(help="stdin and stdout, or HTTP on 127.0.0.1 at /mcp.")
    ] = "stdio",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of HTTP; 0 takes a free one.", show_default="8001"),
    ] = None,
) -> None:
    """Serve collections to agents by the Model Context Protocol, read-only: search, fetch, list and count.

    A client such as Claude Desktop, VS Code or Cursor starts it, as its configuration says.

    Example: embed-plugin mcp --to ./qdrant --collection docs
    """
    settings = options.settings()
    if port is not None and transport != "http":
        raise typer.BadParameter("is for --transport http", param_hint="--port")
    from embed_plugin.mcp.stdout import prints_go_to_stderr  # noqa: PLC0415 - other commands do without

    with prints_go_to_stderr():
        for extra in ("ingest", "mcp"):
            check_extra("embed_plugin.mcp", extra=extra)
        from embed_plugin.mcp.server import McpServer  # noqa: PLC0415 - needs the extra
        from embed_plugin.mcp.transports import run_http, run_stdio  # noqa: PLC0415 - the same

        server = McpServer(settings)
    if transport == "stdio":
        run_stdio(server)
    else:
        run_http(server, port=8001 if port is None else port)
