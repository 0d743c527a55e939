"""The service is a process of its own here, and is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from client.embedding_server import HASTY
from embed_plugin import EndpointUnavailableError
from embed_plugin.client import AsyncEmbeddingClient, EmbeddingClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin import Encoder

TEXTS = [f"the cat sat on mat {number}" for number in range(200)]
PATIENT = replace(HASTY, deadline_seconds=90)


class Service:
    """A service that can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = "0"
        self.start()

    def start(self) -> None:
        script = Path(__file__).with_name("embedding_server.py")
        command = [sys.executable, str(script), str(self._folder), self._port]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._port = self.url.rpartition(":")[2]

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()


@pytest.fixture
def service(tiny_model: Callable[..., Path]) -> Iterator[Service]:
    service = Service(tiny_model())
    yield service
    service.kill()


@contextmanager
def dead_for_a_while(service: Service, client: EmbeddingClient | AsyncEmbeddingClient) -> Iterator[None]:
    """Kill the service under the calls in the block, and start it again once the client's circuit is open."""

    def restart() -> None:
        while client.circuits[service.url] == "closed":
            seen_open.wait(0.01)
        service.start()

    seen_open = threading.Event()
    thread = threading.Thread(target=restart)
    service.kill()
    thread.start()
    yield
    thread.join()


def test_a_killed_service_is_ridden_out(service: Service, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(service.url, settings=PATIENT) as client:
        assert client.dimension == 32
        with dead_for_a_while(service, client):
            vectors = client.encode_documents(TEXTS)
        assert np.array_equal(vectors, tiny_encoder.encode_documents(TEXTS))
        assert client.circuits == {service.url: "closed"}


def test_a_stream_goes_on_where_it_was_when_the_service_died(service: Service, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(service.url, settings=PATIENT) as client:
        stream = client.stream_documents(iter(TEXTS))
        rows = [next(stream)]
        with dead_for_a_while(service, client):
            rows += stream
        assert np.array_equal(np.array(rows), tiny_encoder.encode_documents(TEXTS))


def test_many_tasks_ride_it_out_together(service: Service, tiny_encoder: Encoder) -> None:
    async def many() -> None:
        async with AsyncEmbeddingClient(service.url, settings=PATIENT) as client:
            await client.space()
            with dead_for_a_while(service, client):
                rows = await asyncio.gather(*(client.encode_queries([text]) for text in TEXTS))
            assert np.array_equal(np.concatenate(rows), tiny_encoder.encode_queries(TEXTS))

    asyncio.run(many())


def test_who_has_little_time_is_told_at_once_while_the_circuit_is_open(service: Service) -> None:
    settings = replace(HASTY, deadline_seconds=5, open_seconds=3600)
    with EmbeddingClient(service.url, settings=settings) as client:
        assert client.dimension == 32
        service.kill()
        for says in ("its circuit is open after 3 failures in a row, the last: cannot be reached",) * 2:
            with pytest.raises(EndpointUnavailableError, match=says):
                client.encode_queries(["the cat"])
        assert client.circuits == {service.url: "open"}
