"""The official SDK's client, connected to ``embed-plugin mcp`` in a child process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import anyio
from mcp import Client, StdioServerParameters, stdio_client

from conftest import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from mcp.client.session import MessageHandlerFnT

T = TypeVar("T")


def command_of(*options: str | Path) -> list[str]:
    """Return the arguments of Python that start the server."""
    return ["-m", "embed_plugin.cli", "mcp", *map(str, options)]


def over_stdio(
    *options: str | Path,
    talk: Callable[[Client], Awaitable[T]],
    mode: str = "auto",
    environment: Mapping[str, str] | None = None,
    log: TextIO | None = None,
    on_message: MessageHandlerFnT | None = None,
) -> T:
    """Start the server, connect a client, and return what the talk with it returns."""
    environment = {**os.environ, **(environment or {})}
    parameters = StdioServerParameters(command=sys.executable, args=command_of(*options), env=environment)
    return _talk(stdio_client(parameters, errlog=log or sys.stderr), talk, mode, on_message)


def over_http(url: str, *, talk: Callable[[Client], Awaitable[T]], mode: str = "auto") -> T:
    """Connect a client to a server that listens, and return what the talk with it returns."""
    return _talk(url, talk, mode, None)


def _talk(
    server: Any,  # noqa: ANN401 - a URL or a transport
    talk: Callable[[Client], Awaitable[T]],
    mode: str,
    on_message: MessageHandlerFnT | None,
) -> T:
    async def connected() -> T:
        with anyio.fail_after(HANG_SECONDS):
            async with Client(server, mode=mode, message_handler=on_message) as client:
                return await talk(client)

    return anyio.run(connected)


async def answer(client: Client, tool: str, /, **arguments: object) -> dict[str, Any]:
    """Call a tool; return its answer as JSON."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


async def refusal(client: Client, tool: str, /, **arguments: object) -> str:
    """Call a tool that fails; return the message."""
    result: Any = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)
