"""The server: tools over the Model Context Protocol, by its official SDK."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, ListToolsResult, TextContent, ToolAnnotations
from mcp.types import Tool as ListedTool

import embed_plugin
from embed_plugin.errors import EmbedPluginError, TargetError
from embed_plugin.mcp.collections import Collections
from embed_plugin.mcp.tools import tools_of

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from embed_plugin.mcp.settings import McpSettings
    from embed_plugin.mcp.tools import Tool

_INSTRUCTIONS = (
    "Search these document collections before answering questions about what may be in them, and quote the citation of "
    "each passage that is used. The collections: {collections}."
)

_log = logging.getLogger(__name__)


class McpServer:
    """A server of some collections. Neither a model nor the store is opened before the first call of a tool.

    Args:
        settings: The collections.
    """

    def __init__(self, settings: McpSettings) -> None:
        self.settings = settings
        self._collections = Collections(settings)
        self._tools = tools_of(settings.collections)
        self._one_at_a_time = CapacityLimiter(1)  # embedded Qdrant is made for one thread
        self.protocol: Server[Any] = Server(
            "embed-plugin",
            version=embed_plugin.__version__,
            title="embed-plugin",
            instructions=_INSTRUCTIONS.format(collections=", ".join(settings.collections)),
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def release_if_idle(self) -> None:
        """Close the store if there was no call for as long as the settings say."""
        await to_thread.run_sync(self._collections.release_if_idle, limiter=self._one_at_a_time)

    def close(self) -> None:
        """Close the store, at the end."""
        self._collections.release()

    async def _list(self, context: ServerRequestContext[Any], given: PaginatedRequestParams | None) -> ListToolsResult:
        del context, given
        return ListToolsResult(tools=[_listed(tool) for tool in self._tools.values()])

    async def _call(self, context: ServerRequestContext[Any], given: CallToolRequestParams) -> CallToolResult:
        del context
        tool = self._tools.get(given.name)
        if tool is None:
            message = f"there is no tool {given.name!r}, expected one of: {', '.join(self._tools)}"
            raise MCPError(INVALID_PARAMS, message)
        return await to_thread.run_sync(self._answer, tool, given.arguments or {}, limiter=self._one_at_a_time)

    def _answer(self, tool: Tool, given: dict[str, object]) -> CallToolResult:
        try:
            answer = tool.call(self._collections, given)
        except EmbedPluginError as error:
            if isinstance(error, TargetError):
                self._collections.release()  # what could not be used is opened anew by the next call
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        except Exception:  # noqa: BLE001 - a fault of ours; it is logged, and the server goes on
            _log.exception("the call of %s failed", tool.name)
            message = f"{tool.name} failed by a fault of embed-plugin; the server's log on stderr has the trace"
            return CallToolResult(content=[TextContent(text=message)], is_error=True)
        finally:
            self._collections.touch()
        text = TextContent(text=json.dumps(answer, ensure_ascii=False))
        return CallToolResult(content=[text], structured_content=answer)


def _listed(tool: Tool) -> ListedTool:
    hints = ToolAnnotations(
        title=tool.title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema,
        annotations=hints,
    )
