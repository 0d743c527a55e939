"""The server in this process, for faults that a child process cannot be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp.server", reason="needs the extra mcp")

import anyio
from mcp import Client

from embed_plugin.mcp.server import McpServer
from embed_plugin.mcp.settings import McpSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_a_fault_of_ours_is_logged_and_no_trace_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = McpServer(McpSettings(str(tmp_path / "store"), ("notes",)))

    def fail(given: Mapping[str, Any]) -> None:
        raise RuntimeError(f"a fault with {given}")

    monkeypatch.setattr(server._collections, "open", fail)

    async def talk() -> Any:  # noqa: ANN401 - the SDK's
        async with Client(server.protocol) as client:
            return await client.call_tool("count", {})

    result = anyio.run(talk)
    assert result.is_error
    assert result.content[0].text.startswith("count failed by a fault of embed-plugin")
    assert "a fault with notes" in caplog.text


def test_the_instructions_name_the_collections(tmp_path: Path) -> None:
    server = McpServer(McpSettings(str(tmp_path), ("notes", "wiki")))
    assert "The collections: notes, wiki." in str(server.protocol.instructions)
