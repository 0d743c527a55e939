"""The server as a client starts it: a child process, spoken to by the official SDK's client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")

from conftest import HANG_SECONDS
from support.mcp_client import answer, command_of, over_stdio, refusal

if TYPE_CHECKING:
    from mcp import Client


def test_tools_are_listed_and_read_only(store: tuple[str, ...]) -> None:
    async def talk(client: Client) -> Any:  # noqa: ANN401 - the SDK's
        return (await client.list_tools()).tools

    tools = over_stdio(*store, talk=talk)
    assert [tool.name for tool in tools] == ["search", "fetch", "list_sources", "list_collections", "count"]
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert tools[0].input_schema["required"] == ["query"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_hit_says_where_it_is(store: tuple[str, ...], mode: str) -> None:
    async def talk(client: Client) -> dict[str, Any]:
        return await answer(client, "search", query="the dog ran fast", limit=2)

    found = over_stdio(*store, talk=talk, mode=mode)
    first, second = found["hits"]
    assert (found["collection"], first["record"], first["chunk"]) == ("notes", "dog.md", 0)
    assert (first["citation"], first["headings"]) == ("dog.md:3  Fast", ["Fast"])
    assert (first["title"], first["first_line"], first["last_line"]) == ("The dog", 3, 5)
    assert "the dog ran fast" in first["text"]
    assert first["score"] > second["score"]
