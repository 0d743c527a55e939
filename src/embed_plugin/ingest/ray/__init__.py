"""Ingest on a Ray cluster, and the encoder for your own Ray Data pipelines.

Example:
    >>> from embed_plugin import Encoder
    >>> from embed_plugin.ingest import RecordReader, ingest, open_sink
    >>> from embed_plugin.ingest.ray import OnRay, connected
    >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
    >>> with connected(), open_sink("http://qdrant:6333", "notes") as sink:  # doctest: +SKIP
    ...     ingest(RecordReader(["notes/"]), encoder, sink, workers=OnRay(cpus=2))
"""

from embed_plugin.ingest.ray.batches import EmbedDocuments, IngestRows
from embed_plugin.ingest.ray.cluster import connected
from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder
from embed_plugin.ingest.ray.ray_workers import OnRay

__all__ = ["EmbedDocuments", "IngestRows", "LazyEncoder", "OnRay", "connected"]
