"""Records into a Qdrant collection: read, chunk, compare with what is there, embed what is new, store.

Example:
    >>> from embed_plugin import Encoder
    >>> from embed_plugin.ingest import RecordReader, ingest, open_sink, search
    >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
    >>> with open_sink("qdrant", "notes") as sink:  # doctest: +SKIP
    ...     ingest(RecordReader(["notes/"]), encoder, sink)
    ...     search("how do I stop a child process?", encoder, sink)
"""

from embed_plugin.ingest.changes import Change
from embed_plugin.ingest.chunker import Chunker
from embed_plugin.ingest.collection_settings import CollectionSettings
from embed_plugin.ingest.dead_letter import DeadLetterFile, retrying
from embed_plugin.ingest.dead_letter_reader import read_dead_letters
from embed_plugin.ingest.estimate import Estimate, Estimator
from embed_plugin.ingest.formats import Format
from embed_plugin.ingest.framework_records import records_of_documents, records_of_nodes
from embed_plugin.ingest.migrate import MigrationSummary, migrate
from embed_plugin.ingest.open_sink import open_sink
from embed_plugin.ingest.payload_layout import LayoutName
from embed_plugin.ingest.pipeline import IngestSettings, Observer, ingest
from embed_plugin.ingest.qdrant_sink import QdrantSink
from embed_plugin.ingest.qdrant_target import open_client
from embed_plugin.ingest.reader_settings import ReaderSettings
from embed_plugin.ingest.readers import RecordReader
from embed_plugin.ingest.records import JSON, Chunk, Record, Rejected, point_id
from embed_plugin.ingest.search import Hit, search
from embed_plugin.ingest.shard import Shard
from embed_plugin.ingest.sink import Sink, Stored, StoredChunk
from embed_plugin.ingest.summary import IngestSummary
from embed_plugin.ingest.verify import Verification, verify

__all__ = [
    "JSON",
    "Change",
    "Chunk",
    "Chunker",
    "CollectionSettings",
    "DeadLetterFile",
    "Estimate",
    "Estimator",
    "Format",
    "Hit",
    "IngestSettings",
    "IngestSummary",
    "LayoutName",
    "MigrationSummary",
    "Observer",
    "QdrantSink",
    "ReaderSettings",
    "Record",
    "RecordReader",
    "Rejected",
    "Shard",
    "Sink",
    "Stored",
    "StoredChunk",
    "Verification",
    "ingest",
    "migrate",
    "open_client",
    "open_sink",
    "point_id",
    "read_dead_letters",
    "records_of_documents",
    "records_of_nodes",
    "retrying",
    "search",
    "verify",
]
