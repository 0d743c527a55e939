"""The official SDK's client, connected to ``embed-plugin mcp`` in a child process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from mcp import Client, StdioServerParameters, stdio_client

from conftest import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

T = TypeVar("T")


def command_of(*options: str | Path) -> list[str]:
    """Return the arguments of Python that start the server."""
    return ["-m", "embed_plugin.cli", "mcp", *map(str, options)]


def over_stdio(
    *options: str | Path,
    talk: Callable[[Client], Awaitable[T]],
    mode: str = "auto",
    environment: Mapping[str, str] | None = None,
) -> T:
    """Start the server, connect a client, and return what the talk with it returns."""
    parameters = StdioServerParameters(
        command=sys.executable, args=command_of(*options), env={**os.environ, **(environment or {})}
    )
    return _talk(stdio_client(parameters), talk, mode)


def over_http(url: str, *, talk: Callable[[Client], Awaitable[T]], mode: str = "auto") -> T:
    """Connect a client to a server that listens, and return what the talk with it returns."""
    return _talk(url, talk, mode)


def _talk(server: Any, talk: Callable[[Client], Awaitable[T]], mode: str) -> T:  # noqa: ANN401 - a URL or a transport
    async def connected() -> T:
        with anyio.fail_after(HANG_SECONDS):
            async with Client(server, mode=mode) as client:
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
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr,unused-ignore] # the server sends nothing but texts
