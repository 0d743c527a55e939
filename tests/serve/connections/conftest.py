"""Servers of both parsers, and raw sockets to them."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from embed_plugin import Encoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.connections.h11_connection import H11Connection
from embed_plugin.serve.connections.httptools_connection import HttptoolsConnection
from embed_plugin.serve.keys import Keys
from serve.conftest import KEY, connect, rest_of, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer

KEYED = f"Host: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"texts": ["the cat"]}'
STATUS = re.compile(rb"HTTP/1\.1 (\d+)")


@pytest.fixture(scope="package", params=[HttptoolsConnection, H11Connection], ids=["httptools", "h11"])
def parser(request: pytest.FixtureRequest) -> type:
    """The connections of a server, for each parser."""
    found: type = request.param
    return found


@contextmanager
def serving_by(
    parser: type, encoder: Encoder, settings: ServeSettings | None = None, keys: Keys | None = None
) -> Iterator[RunningServer]:
    """Run a server with this parser; other servers are started as usual meanwhile."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("embed_plugin.serve.server.connection_class", lambda: parser)
            server = stack.enter_context(serving(encoder, settings, keys))
        yield server


@pytest.fixture(scope="package")
def keyed(parser: type, tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server with a key that waits for a head or a body for half a second, and takes bodies of 10 kB."""
    settings = ServeSettings(port=0, receive_seconds=0.5, body_bytes=10_000, connections=200)
    with serving_by(parser, Encoder.load(tiny_model()), settings, Keys([KEY])) as server:
        yield server


def exchange(server: RunningServer, *sent: bytes, pause: float = 0.0) -> list[int]:
    """Send parts, wait for the end of the connection; the statuses of the answers."""
    with connect(server) as connection:
        with suppress(OSError):  # it is closed
            for part in sent:
                connection.sendall(part)
                time.sleep(pause)
        return [int(status) for status in STATUS.findall(rest_of(connection))]


def head(path: str, *more: str, method: str = "POST", length: int | None = None) -> bytes:
    """A head with the key."""
    lines = [f"{method} {path} HTTP/1.1", "Content-Type: application/json", *more]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join(lines).encode() + b"\r\n" + KEYED + b"\r\n"
