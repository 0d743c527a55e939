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
from embed_plugin.ingest.dead_letter import DeadLetterFile, retrying
from embed_plugin.ingest.dead_letter_reader import read_dead_letters
from embed_plugin.ingest.formats import Format
from embed_plugin.ingest.framework_records import records_of_documents, records_of_nodes
from embed_plugin.ingest.pipeline import IngestSettings, IngestSummary, ingest
from embed_plugin.ingest.qdrant_sink import QdrantSink, open_sink
from embed_plugin.ingest.qdrant_target import open_client
from embed_plugin.ingest.reader_settings import ReaderSettings
from embed_plugin.ingest.readers import RecordReader
from embed_plugin.ingest.records import JSON, Chunk, Record, Rejected, point_id
from embed_plugin.ingest.search import Hit, search
from embed_plugin.ingest.sink import Sink, Stored, StoredChunk

__all__ = [
    "JSON",
    "Chunk",
    "Chunker",
    "DeadLetterFile",
    "Format",
    "Hit",
    "IngestSettings",
    "IngestSummary",
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
    "read_dead_letters",
    "records_of_documents",
    "records_of_nodes",
    "retrying",
    "search",
]
