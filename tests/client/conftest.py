from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.client import EmbeddingClient
from embed_plugin.testing import FakeEncoder
from support.embedding_server import HASTY, EmbeddingServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin import Encoder


@pytest.fixture
def server(tiny_encoder: Encoder) -> Iterator[EmbeddingServer]:
    """A service with a real model."""
    with EmbeddingServer(tiny_encoder) as server:
        yield server


@pytest.fixture
def twin(tiny_encoder: Encoder) -> Iterator[EmbeddingServer]:
    """Another service with the same model."""
    with EmbeddingServer(tiny_encoder) as server:
        yield server


@pytest.fixture
def stranger() -> Iterator[EmbeddingServer]:
    """A service with another model, of the same dimension."""
    with EmbeddingServer(FakeEncoder(fingerprint="other")) as server:
        yield server


@pytest.fixture
def client(server: EmbeddingServer) -> Iterator[EmbeddingClient]:
    with EmbeddingClient(server.url, settings=HASTY) as client:
        yield client
