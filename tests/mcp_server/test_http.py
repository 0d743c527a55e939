"""The server over HTTP on loopback, in a child process."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp.server", reason="needs the extra mcp")

import httpx

from support.command_line import run
from support.mcp_client import answer, command_of, over_http, refusal
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp import Client


@contextmanager
def listening(store: tuple[str, ...]) -> Iterator[str]:
    """Start the server; yields its URL."""
    command = [sys.executable, *command_of(*store, "--transport", "http", "--port", "0")]
    with killed_on_failure(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as process:
        assert process.stderr is not None
        found = re.match(r"Listening on (http://127\.0\.0\.1:\d+/mcp)\n", process.stderr.readline())
        assert found
        yield found[1]
        process.terminate()
        process.stderr.read()


@pytest.fixture(scope="module")
def initialize() -> dict[str, Any]:
    """A request that begins a session."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}


def test_two_clients_call_tools(store: tuple[str, ...]) -> None:
    async def talk(client: Client) -> tuple[list[str], str, int]:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        refused = await refusal(client, "search", query="")
        return listed, refused, len((await answer(client, "search", query="the dog ran fast", limit=2))["hits"])

    with listening(store) as url:
        first, second = (over_http(url, talk=talk, mode=mode) for mode in ("legacy", "auto"))
    assert first == second
    assert first == (
        ["search", "fetch", "list_sources", "list_collections", "count"],
        "query is '', expected a text that is not empty",
        2,
    )


def test_a_web_page_cannot_reach_it_by_a_name_of_its_own(store: tuple[str, ...], initialize: dict[str, Any]) -> None:
    accepted = {"Accept": "application/json, text/event-stream"}
    with listening(store) as url, httpx.Client(headers=accepted, trust_env=False) as client:
        assert client.post(url, json=initialize).status_code == 200
        assert client.post(url, json=initialize, headers={"Host": "rebound.example"}).status_code == 421
        assert client.post(url, json=initialize, headers={"Origin": "http://rebound.example"}).status_code == 403


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("mcp", "--to", "nowhere", "--collection", "notes", "--transport", "http", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}: " in done.stderr
    assert "Choose another port with --port" in done.stderr
