"""The tools of the server: their names, what an agent reads about them, and their arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embed_plugin.mcp import calls
from embed_plugin.mcp.arguments import Argument, check_arguments, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin.mcp.collections import Collections


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: Its name.
        title: Its name for people.
        description: What the model that calls it reads.
        answer: Answers a call.
        arguments: Its arguments.
    """

    name: str
    title: str
    description: str
    answer: Callable[[Collections, Mapping[str, Any]], dict[str, Any]]
    arguments: tuple[Argument, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments."""
        return schema_of(self.arguments)

    def call(self, collections: Collections, given: Mapping[str, object]) -> dict[str, Any]:
        """Check the arguments and answer.

        Raises:
            InvalidInputError: an argument cannot be used.
            EmbedPluginError: the call failed.
        """
        return self.answer(collections, check_arguments(self.arguments, given))


_QUERY = Argument("query", "string", "What to look for, as a question or a few words.", required=True)
_LIMIT = Argument("limit", "integer", "Most chunks to return.", default=5, least=1, most=50)
_FILTER = Argument(
    "filter",
    "strings",
    'Conditions on metadata that all have to hold: "year >= 2020", "lang:any(de,en)", "source = notes". Operators: = '
    '!= >= <= > <; "published by" = "two words" with double quotes around what has spaces.',
)
_RECORD = Argument("record", "string", "The record, as a hit of search names it.", required=True)
_SOURCE = Argument("source", "string", "The record's source, where a hit has one.")
_CHUNK = Argument("chunk", "integer", "Position of a chunk in the record; left out: from the first on.", least=0)
_NEIGHBOURS = Argument(
    "neighbours", "integer", "Chunks before the chunk, and as many behind it.", default=1, least=0, most=20
)
_COLLECTION = Argument("collection", "string", "The collection.")

_TOOLS = (
    Tool(
        "search",
        "Search a collection",
        "Find the passages of a document collection whose meaning is nearest to a query, best first. Each hit has its "
        "text, its score, and a citation (file and line or page, headings) to quote. Passages with the same text are "
        "one hit.",
        calls.search,
        (_QUERY, _LIMIT, _FILTER, _COLLECTION),
    ),
    Tool(
        "fetch",
        "Read a record",
        "Read what stands around a hit of search: a chunk of a record with its neighbours, or the record's chunks "
        f"from the first on, at most {calls.MOST_CHUNKS}.",
        calls.fetch,
        (_RECORD, _SOURCE, _CHUNK, _NEIGHBOURS, _COLLECTION),
    ),
    Tool(
        "list_sources",
        "List sources",
        "List the folders, files and other sources that were ingested into a collection.",
        calls.list_sources,
        (_COLLECTION,),
    ),
    Tool(
        "list_collections",
        "List collections",
        "List the collections that can be searched, each with its number of chunks and its model.",
        calls.list_collections,
    ),
    Tool("count", "Count chunks", "Count the chunks of a collection.", calls.count, (_COLLECTION,)),
)


def tools_of(collections: Sequence[str]) -> dict[str, Tool]:
    """Return the tools by name; where there are several collections, calls have to name one."""
    named = replace(
        _COLLECTION,
        choices=tuple(collections),
        required=len(collections) > 1,
        default=None if len(collections) > 1 else collections[0],
    )
    return {
        tool.name: replace(tool, arguments=tuple(named if one is _COLLECTION else one for one in tool.arguments))
        for tool in _TOOLS
    }
