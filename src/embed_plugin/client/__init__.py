"""Calls an embedding service over HTTP with retries and fallbacks, and never mixes vector spaces.

A call is split into requests (``batches``), each of which is retried (``retry``) over the endpoints of a client
(``endpoint_pool``); one attempt is a ``connection``'s. ``endpoints`` describe the HTTP APIs, and do no I/O.

Example:
    >>> from embed_plugin.client import EmbeddingClient
    >>> with EmbeddingClient("http://127.0.0.1:8000", fallbacks=["http://127.0.0.1:8001"]) as client:  # doctest: +SKIP
    ...     vectors = client.encode_documents(["The cat sat on the mat."])
"""

from embed_plugin.client.async_client import AsyncEmbeddingClient, OnOtherSpace
from embed_plugin.client.circuit_breaker import CircuitBreaker, CircuitState
from embed_plugin.client.endpoints.cloud import CohereEndpoint, OpenAIEndpoint
from embed_plugin.client.endpoints.endpoint import Endpoint, Space
from embed_plugin.client.endpoints.service import ServiceEndpoint
from embed_plugin.client.result import Embeddings
from embed_plugin.client.settings import ClientSettings
from embed_plugin.client.sync_client import EmbeddingClient

__all__ = [
    "AsyncEmbeddingClient",
    "CircuitBreaker",
    "CircuitState",
    "ClientSettings",
    "CohereEndpoint",
    "EmbeddingClient",
    "Embeddings",
    "Endpoint",
    "OnOtherSpace",
    "OpenAIEndpoint",
    "ServiceEndpoint",
    "Space",
]
