"""Answer the calls of tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import EmbedPluginError, InvalidInputError, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest import StoredChunk
    from embed_plugin.mcp.collections import Collections, OpenCollection

MOST_CHUNKS = 100
"""Chunks of a record that one call returns."""


def search(collections: Collections, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chunks nearest to ``query`` that fulfil every condition of ``filter``, equal ones once.

    An answer without hits says in ``reasons`` what the collection has of the fields.

    Raises:
        InvalidInputError: a condition cannot be read.
        EmbedPluginError: the collection or its model cannot be opened.
    """
    from embed_plugin.ingest import Selection, parse_condition, reasons_for_nothing  # noqa: PLC0415 - loads numpy
    from embed_plugin.ingest import search as nearest  # noqa: PLC0415 - the same
    from embed_plugin.mcp.answers import hit_as_json  # noqa: PLC0415 - the same

    query, conditions = given["query"], [parse_condition(one) for one in given.get("filter", ())]
    found = _opened(collections, given)
    limit, selection = given["limit"], Selection()
    encoder = collections.encoder_of(found)
    hits = nearest(query, encoder, found.sink, limit=selection.candidates(limit), filter=conditions)
    answer = {"collection": found.name, "hits": [hit_as_json(hit) for hit in selection.choose(hits, limit=limit)]}
    return answer if hits else answer | {"reasons": reasons_for_nothing(query, encoder, found.sink, filter=conditions)}


def fetch(collections: Collections, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chunks of ``record`` from its first on, or ``chunk`` and its ``neighbours``.

    Raises:
        InvalidInputError: there is no such record or chunk, or several sources have the record.
        EmbedPluginError: the collection cannot be opened.
    """
    from embed_plugin.mcp.answers import stored_as_json  # noqa: PLC0415 - loads numpy

    found = _opened(collections, given)
    middle, beside = given.get("chunk"), given["neighbours"]
    if middle is None:
        chunks = _chunks(found, given, range(MOST_CHUNKS))
    else:
        chunks = _chunks(found, given, range(max(0, middle - beside), middle + beside + 1))
    if middle is not None and middle not in [chunk.index for chunk in chunks]:
        raise InvalidInputError(_no_such_chunk(found, given))
    if not chunks:
        raise InvalidInputError(
            f"collection {found.name!r} has no record {given['record']!r}{_in_source(given)}. Give record, and source "
            "where there is one, as a hit of search has them"
        )
    return {
        "collection": found.name,
        "record": given["record"],
        "chunks_of_record": chunks[0].stored.chunk_count,
        "chunks": [stored_as_json(chunk) for chunk in chunks],
    }


def list_sources(collections: Collections, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and root of each source that was ingested into the collection.

    Raises:
        EmbedPluginError: the collection cannot be opened.
    """
    found = _opened(collections, given)
    sources = [{"source": name, "root": root} for name, root in sorted(found.identity.sources.items())]
    return {"collection": found.name, "sources": sources}


def list_collections(collections: Collections, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the collections that the server shows, each with its size and model, or with what is wrong with it."""
    del given
    return {"collections": [_described(collections, name) for name in collections.settings.collections]}


def count(collections: Collections, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of chunks of the collection.

    Raises:
        EmbedPluginError: the collection cannot be opened.
    """
    found = _opened(collections, given)
    return {"collection": found.name, "chunks": found.sink.count()}


def _opened(collections: Collections, given: Mapping[str, Any]) -> OpenCollection:
    return collections.open(str(given.get("collection", collections.settings.collections[0])))


def _described(collections: Collections, name: str) -> dict[str, Any]:
    described: dict[str, Any] = {"collection": name}
    try:
        found = collections.open(name)
        described |= {"chunks": found.sink.count(), "dimension": found.identity.dimension}
        described["model"] = collections.model_of(found).source
    except EmbedPluginError as error:
        described["problem"] = str(error)
        if isinstance(error, TargetError):
            collections.release()  # what could not be used is opened anew by the next call
    return described


def _chunks(found: OpenCollection, given: Mapping[str, Any], indexes: range) -> Sequence[StoredChunk]:
    """The stored chunks of a record at some positions, in their order.

    Raises:
        InvalidInputError: several sources have the record, and none is named.
    """
    from embed_plugin.ingest.ids import record_key  # noqa: PLC0415 - loads numpy

    record, source = str(given["record"]), given.get("source")
    names = sorted({"", *found.identity.sources}) if source is None else [str(source)]
    keys = [record_key(name, record) for name in names]
    chunks = found.sink.retrieve_texts([found.sink.id_of(key, index) for key in keys for index in indexes])
    having = sorted({chunk.source_name for chunk in chunks})
    if len(having) > 1:
        named = ", ".join(repr(name) for name in having)
        raise InvalidInputError(f"several sources have a record {record!r}: {named}. Give source too")
    return sorted(chunks, key=lambda chunk: chunk.index)


def _no_such_chunk(found: OpenCollection, given: Mapping[str, Any]) -> str:
    first = _chunks(found, given, range(1))
    record = f"record {given['record']!r}{_in_source(given)}"
    if not first:
        return f"collection {found.name!r} has no {record}. Give record, and source, as a hit of search has them"
    return f"{record} has no chunk {given['chunk']}, expected 0 to {first[0].stored.chunk_count - 1}"


def _in_source(given: Mapping[str, Any]) -> str:
    return f" in source {given['source']!r}" if "source" in given else ""
