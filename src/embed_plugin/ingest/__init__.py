"""Records into a Qdrant collection: read, chunk, compare with what is there, embed what is new, store.

Names are imported when they are first used, so that ``embed_plugin.ingest.read.formats.registry`` loads no package of
the extra.

Example:
    >>> from embed_plugin import Encoder
    >>> from embed_plugin.ingest import RecordReader, ingest, open_sink, search
    >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
    >>> with open_sink("qdrant", "notes") as sink:  # doctest: +SKIP
    ...     ingest(RecordReader(["notes/"]), encoder, sink)
    ...     search("how do I stop a child process?", encoder, sink)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.ingest.chunk.chunker import Chunker
    from embed_plugin.ingest.estimate import Estimate, Estimator
    from embed_plugin.ingest.fusion import Place
    from embed_plugin.ingest.hits.distinct import Selection
    from embed_plugin.ingest.hits.empty_answer import reasons_for_nothing
    from embed_plugin.ingest.hits.neighbours import with_neighbours
    from embed_plugin.ingest.ids import point_id
    from embed_plugin.ingest.partition import Shard
    from embed_plugin.ingest.query import Fusion, Hit, rerank_hits, rescore_hits, search
    from embed_plugin.ingest.read.formats.registry import Format
    from embed_plugin.ingest.read.frameworks import records_of_documents, records_of_nodes
    from embed_plugin.ingest.read.paths import RecordReader
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.records import JSON, Chunk, Record, Rejected
    from embed_plugin.ingest.rejected.dead_letter import DeadLetterFile, retrying
    from embed_plugin.ingest.rejected.reader import read_dead_letters
    from embed_plugin.ingest.run import Observer, ingest
    from embed_plugin.ingest.settings import IngestSettings
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.filter import Condition, parse_condition
    from embed_plugin.ingest.stores.open import open_collections, open_sink
    from embed_plugin.ingest.stores.payload_layout import LayoutName
    from embed_plugin.ingest.stores.qdrant.adoption import Adoption
    from embed_plugin.ingest.stores.qdrant.client.target import open_client
    from embed_plugin.ingest.stores.qdrant.sink import QdrantSink
    from embed_plugin.ingest.stores.qdrant.stored_collections import StoredCollections
    from embed_plugin.ingest.stores.sink import Sink, Stored, StoredChunk
    from embed_plugin.ingest.summary import IngestSummary
    from embed_plugin.ingest.upkeep.conditions import OfSources, RecordCondition, WithIds
    from embed_plugin.ingest.upkeep.contents import Contents, read_contents
    from embed_plugin.ingest.upkeep.delete import Deletion, delete
    from embed_plugin.ingest.upkeep.migrate import MigrationSummary, migrate
    from embed_plugin.ingest.upkeep.status import (
        CollectionEntry,
        CollectionStatus,
        collection_status,
        list_collections,
    )
    from embed_plugin.ingest.upkeep.verify import Verification, verify
    from embed_plugin.ingest.window.compare import Change

__all__ = [
    "JSON",
    "Adoption",
    "Change",
    "Chunk",
    "Chunker",
    "CollectionEntry",
    "CollectionSettings",
    "CollectionStatus",
    "Condition",
    "Contents",
    "DeadLetterFile",
    "Deletion",
    "Estimate",
    "Estimator",
    "Format",
    "Fusion",
    "Hit",
    "IngestSettings",
    "IngestSummary",
    "LayoutName",
    "MigrationSummary",
    "Observer",
    "OfSources",
    "Place",
    "QdrantSink",
    "ReaderSettings",
    "Record",
    "RecordCondition",
    "RecordReader",
    "Rejected",
    "Selection",
    "Shard",
    "Sink",
    "Stored",
    "StoredChunk",
    "StoredCollections",
    "Verification",
    "WithIds",
    "collection_status",
    "delete",
    "ingest",
    "list_collections",
    "migrate",
    "open_client",
    "open_collections",
    "open_sink",
    "parse_condition",
    "point_id",
    "read_contents",
    "read_dead_letters",
    "reasons_for_nothing",
    "records_of_documents",
    "records_of_nodes",
    "rerank_hits",
    "rescore_hits",
    "retrying",
    "search",
    "verify",
    "with_neighbours",
]

_MODULES = {
    "Adoption": "stores.qdrant.adoption",
    "Change": "window.compare",
    "Chunk": "records",
    "Chunker": "chunk.chunker",
    "CollectionEntry": "upkeep.status",
    "CollectionSettings": "stores.collection_settings",
    "CollectionStatus": "upkeep.status",
    "Condition": "stores.filter",
    "Contents": "upkeep.contents",
    "DeadLetterFile": "rejected.dead_letter",
    "Deletion": "upkeep.delete",
    "Estimate": "estimate",
    "Estimator": "estimate",
    "Format": "read.formats.registry",
    "Fusion": "query",
    "Hit": "query",
    "IngestSettings": "settings",
    "IngestSummary": "summary",
    "JSON": "records",
    "LayoutName": "stores.payload_layout",
    "MigrationSummary": "upkeep.migrate",
    "Observer": "run",
    "OfSources": "upkeep.conditions",
    "Place": "fusion",
    "QdrantSink": "stores.qdrant.sink",
    "ReaderSettings": "read.settings",
    "Record": "records",
    "RecordCondition": "upkeep.conditions",
    "RecordReader": "read.paths",
    "Rejected": "records",
    "Selection": "hits.distinct",
    "Shard": "partition",
    "Sink": "stores.sink",
    "Stored": "stores.sink",
    "StoredChunk": "stores.sink",
    "StoredCollections": "stores.qdrant.stored_collections",
    "Verification": "upkeep.verify",
    "WithIds": "upkeep.conditions",
    "collection_status": "upkeep.status",
    "delete": "upkeep.delete",
    "ingest": "run",
    "list_collections": "upkeep.status",
    "migrate": "upkeep.migrate",
    "open_client": "stores.qdrant.client.target",
    "open_collections": "stores.open",
    "open_sink": "stores.open",
    "parse_condition": "stores.filter",
    "point_id": "ids",
    "read_contents": "upkeep.contents",
    "read_dead_letters": "rejected.reader",
    "reasons_for_nothing": "hits.empty_answer",
    "records_of_documents": "read.frameworks",
    "records_of_nodes": "read.frameworks",
    "rerank_hits": "query",
    "rescore_hits": "query",
    "retrying": "rejected.dead_letter",
    "search": "query",
    "verify": "upkeep.verify",
    "with_neighbours": "hits.neighbours",
}
"""The module of each name."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
