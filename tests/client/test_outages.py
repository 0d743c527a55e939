"""The service is killed, or told to end, and started again, while the client goes on."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EndpointUnavailableError
from embed_plugin.client import AsyncEmbeddingClient, EmbeddingClient
from support.embedding_server import HASTY, OPENS_FOR_GOOD
from support.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from embed_plugin import Encoder

TEXTS = [f"the cat sat on mat {number}" for number in range(200)]


@pytest.fixture
def service(tiny_model: Callable[..., Path]) -> Iterator[Service]:
    with Service(tiny_model()) as service:
        yield service


@contextmanager
def gone_for_a_while(
    service: Service, client: EmbeddingClient | AsyncEmbeddingClient, number: signal.Signals = signal.SIGKILL
) -> Iterator[threading.Event]:
    """Stop the service under the calls in the block, and start it again once the client's circuit is open."""
    is_back = threading.Event()

    def restart() -> None:
        service.stop(number)
        while client.circuits[service.url] == "closed":
            time.sleep(0.01)
        service.start()
        is_back.set()

    thread = threading.Thread(target=restart)
    thread.start()
    yield is_back
    thread.join()


def test_a_killed_service_is_ridden_out(service: Service, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(service.url, settings=HASTY) as client:
        assert client.dimension == 32
        with gone_for_a_while(service, client):
            vectors = client.encode_documents(TEXTS)
        assert np.array_equal(vectors, tiny_encoder.encode_documents(TEXTS))
        assert client.circuits == {service.url: "closed"}


def test_a_service_that_is_told_to_end_and_started_again_loses_nothing(service: Service, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(service.url, settings=HASTY) as client:
        assert client.dimension == 32
        rows = []
        with gone_for_a_while(service, client, signal.SIGTERM) as is_back:
            while not is_back.is_set():
                rows += list(client.encode_documents(TEXTS))
        assert np.array_equal(rows, np.tile(tiny_encoder.encode_documents(TEXTS), (len(rows) // len(TEXTS), 1)))


def test_a_service_that_is_stopped_in_its_tracks_is_left_for_its_twin(
    service: Service, tiny_model: Callable[..., Path], tiny_encoder: Encoder
) -> None:
    """SIGSTOP: the connection is accepted and nothing comes, as with a machine that swaps or hangs."""
    settings = replace(OPENS_FOR_GOOD, attempt_seconds=2)
    with (
        Service(tiny_model()) as twin,
        EmbeddingClient(service.url, fallbacks=[twin.url], settings=settings) as client,
    ):
        assert client.dimension == 32
        service.send(signal.SIGSTOP)
        found = client.embed(TEXTS)
        assert twin.url in found.endpoints
        assert np.array_equal(found.vectors, tiny_encoder.encode_documents(TEXTS))
        assert client.circuits[service.url] == "open"


def test_a_stream_goes_on_where_it_was_when_the_service_died(service: Service, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(service.url, settings=HASTY) as client:
        stream = client.stream_documents(iter(TEXTS))
        rows = [next(stream)]
        with gone_for_a_while(service, client):
            rows += stream
        assert np.array_equal(np.array(rows), tiny_encoder.encode_documents(TEXTS))


def test_many_tasks_ride_it_out_together(service: Service, tiny_encoder: Encoder) -> None:
    async def many() -> None:
        async with AsyncEmbeddingClient(service.url, settings=HASTY) as client:
            await client.space()
            with gone_for_a_while(service, client):
                rows = await asyncio.gather(*(client.encode_queries([text]) for text in TEXTS))
            assert np.array_equal(np.concatenate(rows), tiny_encoder.encode_queries(TEXTS))

    asyncio.run(many())


def test_who_has_little_time_is_told_at_once_while_the_circuit_is_open(service: Service) -> None:
    with EmbeddingClient(service.url, settings=OPENS_FOR_GOOD) as client:
        assert client.dimension == 32
        service.stop(signal.SIGKILL)
        for says in ("its circuit is open after 3 failures in a row, the last: cannot be reached",) * 2:
            with pytest.raises(EndpointUnavailableError, match=says):
                client.encode_queries(["the cat"])
        assert client.circuits == {service.url: "open"}
