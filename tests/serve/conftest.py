"""Real servers on free ports: in a thread of the test, or as the command in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from conftest import HANG_SECONDS
from embed_plugin import Encoder, EncoderSettings
from embed_plugin.serve import ServeSettings, create_app
from embed_plugin.serve.keys import Keys
from embed_plugin.serve.logs import configure
from embed_plugin.serve.server import listen, make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.serve.connections.watch import ConnectionWatch
    from embed_plugin.serve.models.served import ServedModel
    from embed_plugin.serve.service import Service
    from embed_plugin.types import RunRows

KEY = "a-key-of-the-tests-0123456789"


class RunningServer:
    """A server in a thread: its address, its parts, and a client of it."""

    def __init__(self, service: Service, port: int, *, watch: ConnectionWatch) -> None:
        self.service = service
        self.port = port
        self.watch = watch
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=HANG_SECONDS)

    @property
    def encoder(self) -> Encoder:
        """The only encoder that it serves."""
        return self.service.models.find(Encoder, None).loaded

    @property
    def model(self) -> ServedModel:
        """What it says of its first model."""
        return self.service.models.first.facts

    def embed(self, texts: list[Any], *, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        """``POST /embed``."""
        return self.client.post("/embed", json={"texts": texts, **fields}, headers=headers)


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again; fail when it takes so long that it will not come."""
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


@pytest.fixture(scope="session", autouse=True)
def _log() -> None:
    """Log as the command does: without that, structlog draws a failure with every variable, which takes seconds."""
    configure("info")


def connect(server: RunningServer, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.settimeout(HANG_SECONDS)
    connection.sendall(sent)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@contextmanager
def serving(
    models: TextModel | list[TextModel], settings: ServeSettings | None = None, keys: Keys | None = None
) -> Iterator[RunningServer]:
    """Serve models from a thread until the block ends."""
    settings = settings or ServeSettings(port=0)
    app = create_app(models, settings, keys=keys)
    server = make_server(app, settings)
    with listen(settings) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running = RunningServer(app.state.service, listener.getsockname()[1], watch=server.watch)
        try:
            with running.client:
                wait_until(lambda: running.service.lifecycle.phase != "starting")
                yield running
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def server(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """One server for all tests that leave it as it was."""
    settings = ServeSettings(port=0, texts=300, text_characters=20_000, body_bytes=100_000)
    with serving(Encoder.load(tiny_model()), settings) as running:
        yield running


@pytest.fixture(scope="session")
def locked_server(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that asks for a key."""
    with serving(Encoder.load(tiny_model()), keys=Keys([KEY, "another-key-of-the-tests"])) as running:
        yield running


class HeldEncoder:
    """An encoder with one worker whose runs wait for ``gate``: a machine that is busy for as long as a test needs."""

    def __init__(self, folder: Path) -> None:
        self.encoder = Encoder.load(folder, EncoderSettings(workers=1))
        self.gate = threading.Event()
        self.gate.set()
        self.shapes: list[tuple[int, ...]] = []
        self._run = self.encoder.runtime.queue._run
        self.encoder.runtime.queue._run = self._wait_and_run

    def _wait_and_run(self, ids: npt.NDArray[np.int64]) -> RunRows:
        self.shapes.append(ids.shape)
        self.gate.wait()
        return self._run(ids)


@pytest.fixture
def held(tiny_model: Callable[..., Path]) -> Iterator[HeldEncoder]:
    encoder = HeldEncoder(tiny_model())
    yield encoder
    encoder.gate.set()


COMMAND = ("-m", "embed_plugin.cli")
"""What Python runs: the command, unless a test puts something before it."""


class ServerProcess:
    """``embed-plugin serve`` as a user runs it."""

    def __init__(
        self, model: Path, *options: str, env: dict[str, str] | None = None, program: tuple[str, str] = COMMAND
    ) -> None:
        command = [sys.executable, "-W", "error", *program, "serve", str(model), "--port", "0", "--drain-delay", "0"]
        command += options
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.log: list[dict[str, Any]] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._listening.wait(HANG_SECONDS), "it does not listen"
        self.url = f"http://127.0.0.1:{self.event('listening')['port']}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == "listening":
                self._listening.set()

    def event(self, name: str) -> dict[str, Any]:
        """The first event of this name in its log."""
        return next(each for each in self.log if each["event"] == name)

    def wait_until_ready(self) -> None:
        """Ask until it is ready."""
        wait_until(lambda: httpx.get(f"{self.url}/health/ready", timeout=HANG_SECONDS).status_code == 200)

    def end(self) -> int:
        """Wait for its end; its exit code."""
        code = self.process.wait(HANG_SECONDS)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture
def start_server(tiny_model: Callable[..., Path]) -> Iterator[Callable[..., ServerProcess]]:
    """Start the command; what still runs at the end of the test is killed."""
    started: list[ServerProcess] = []

    def start(*options: str, env: dict[str, str] | None = None, program: tuple[str, str] = COMMAND) -> ServerProcess:
        started.append(ServerProcess(tiny_model(), *options, env=env, program=program))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.end()
