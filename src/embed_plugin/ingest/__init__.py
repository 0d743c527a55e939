"""Records into a Qdrant collection: read, chunk, compare with what is there, embed what is new, store.

Example:
    >>> from embed_plugin import Encoder
    >>> from embed_plugin.ingest import RecordReader, ingest, open_sink, search
    >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
    >>> with open_sink("qdrant", "notes") as sink:  # doctest: +SKIP
    ...     ingest(RecordReader(["notes/"]), encoder, sink)
    ...     search("how do I stop a child process?", encoder, sink)
"""

from embed_plugin.ingest.chunker import Chunker
from embed_plugin.ingest.collection_settings import CollectionSettings
from embed_plugin.ingest.open_sink import open_sink
from embed_plugin.ingest.payload_layout import LayoutName
from embed_plugin.ingest.pipeline import IngestSettings, IngestSummary, ingest
from embed_plugin.ingest.qdrant_sink import QdrantSink
from embed_plugin.ingest.qdrant_target import open_client
from embed_plugin.ingest.readers import ReaderSettings, RecordReader
from embed_plugin.ingest.records import JSON, Chunk, Record, Rejected, point_id
from embed_plugin.ingest.search import Hit, search
from embed_plugin.ingest.sink import Sink, Stored, StoredChunk
from embed_plugin.ingest.source_files import Format

__all__ = [
    "JSON",
    "Chunk",
    "Chunker",
    "CollectionSettings",
    "Format",
    "Hit",
    "IngestSettings",
    "IngestSummary",
    "LayoutName",
    "QdrantSink",
    "ReaderSettings",
    "Record",
    "RecordReader",
    "Rejected",
    "Sink",
    "Stored",
    "StoredChunk",
    "ingest",
    "open_client",
    "open_sink",
    "point_id",
    "search",
]
