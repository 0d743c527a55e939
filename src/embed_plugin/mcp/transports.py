"""Run a server: over stdin and stdout, or over HTTP on this machine."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import anyio
import uvicorn
from mcp.server.stdio import stdio_server

from embed_plugin.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from embed_plugin.mcp.server import McpServer

_HOST = "127.0.0.1"
"""Nothing but this machine: the protocol's keys (OAuth) are not built, and the collection would be open to all."""

PATH = "/mcp"
_SHORTEST_WAIT_SECONDS = 0.05


def run_stdio(server: McpServer) -> None:
    """Serve the process that started this one, until it closes stdin.

    While it runs, what anything prints goes to stderr: stdout is the protocol's. SIGINT ends the process at once, as
    SIGTERM does: the SDK's thread that reads stdin cannot be interrupted, and a server that only reads has nothing to
    finish.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.protocol.run(read, write, server.protocol.create_initialization_options())

    anyio.run(_run, server, serve)


def run_http(server: McpServer, *, port: int) -> None:
    """Serve HTTP on loopback, at ``/mcp``, until the process is stopped; the URL is printed to stderr.

    Requests that name another host than this machine are refused, so that no web page can reach the server by a name
    of its own (DNS rebinding). There are no sessions: each request stands by itself.

    Args:
        server: The server.
        port: The port; 0 takes a free one.

    Raises:
        ServiceError: the port is taken.
    """
    try:
        listening = socket.create_server((_HOST, port))
    except OSError as error:
        message = f"cannot listen on {_HOST}:{port}: {error.strerror}. Choose another port with --port"
        raise ServiceError(message) from error
    app = server.protocol.streamable_http_app(
        streamable_http_path=PATH, json_response=True, stateless_http=True, host=_HOST
    )
    http = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))

    async def serve() -> None:
        await http.serve(sockets=[listening])

    with listening:
        print(f"Listening on http://{_HOST}:{listening.getsockname()[1]}{PATH}", file=sys.stderr, flush=True)  # noqa: T201 - where to reach it
        anyio.run(_run, server, serve)


async def _run(server: McpServer, serve: Callable[[], Awaitable[None]]) -> None:
    """Serve, and close the store when it is idle and at the end."""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_release_when_idle, server)
            await serve()
            tasks.cancel_scope.cancel()
    finally:
        server.close()


async def _release_when_idle(server: McpServer) -> None:
    while True:
        await anyio.sleep(max(server.settings.release_seconds / 4, _SHORTEST_WAIT_SECONDS))
        await server.release_if_idle()
