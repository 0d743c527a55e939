"""Many connections: what one address may hold, and what is left for others."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import HANG_SECONDS
from embed_plugin import Encoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.connections.watch import UNFINISHED_OF_AN_ADDRESS
from serve.conftest import connect, rest_of, wait_until
from serve.connections.conftest import BODY, LIVE, STATUS, exchange, head, serving_by

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer

PATIENT = {"port": 0, "receive_seconds": HANG_SECONDS, "connections": 150}


@pytest.fixture(scope="module")
def patient(parser: type, tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that closes no connection for being slow."""
    with serving_by(parser, Encoder.load(tiny_model()), ServeSettings(**PATIENT)) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def opened(patient: RunningServer) -> Iterator[Callable[..., list[socket.socket]]]:
    """Open connections that are closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda count, sent=b"": [stack.enter_context(connect(patient, sent)) for _ in range(count)]
    wait_until(lambda: len(patient.watch.connections) <= 1)


UNFINISHED = {
    "silent": b"",
    "half a head": LIVE[:20],
    "half a body": head("/embed", length=900) + b"x",
    "a body that nobody reads": LIVE.replace(b"Host", b"Content-Length: 900\r\nHost"),
    "half a second head": LIVE + LIVE[:20],
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_an_address_has_32_that_are_not_whole(
    patient: RunningServer, opened: Callable[..., list[socket.socket]], sent: bytes
) -> None:
    opened(50, sent)
    unfinished = patient.watch.connections
    wait_until(lambda: sum(each.is_unfinished for each in unfinished) == UNFINISHED_OF_AN_ADDRESS)
    assert patient.client.get("/health/live", timeout=10).status_code == 200
    assert patient.embed(["the cat"]).status_code == 200


def test_a_pool_of_a_hundred_that_wait_is_left_alone(
    patient: RunningServer, opened: Callable[..., list[socket.socket]]
) -> None:
    pool = opened(100, LIVE)
    for connection in pool:
        assert is_alive(connection)
    watch_ticks(patient, 4)
    for connection in pool:
        connection.sendall(LIVE)
        assert is_alive(connection)


def is_alive(connection: socket.socket) -> bool:
    """Read one whole answer, which may come in parts."""
    received = b""
    while not received.endswith(b'{"status":"alive"}') and (part := connection.recv(1000)):
        received += part
    return received.startswith(b"HTTP/1.1 200")


def watch_ticks(server: RunningServer, count: int) -> None:
    """Wait until it has looked at its connections so many times."""
    end = server.watch.now + count * 0.25
    wait_until(lambda: server.watch.now >= end)


def test_a_hundred_requests_at_once_are_all_answered(patient: RunningServer) -> None:
    sent = head("/embed", "Connection: close", length=len(BODY)) + BODY
    many = [connect(patient) for _ in range(100)]
    for connection in many:
        connection.sendall(sent)
    assert [STATUS.findall(rest_of(connection)) for connection in many] == [[b"200"]] * 100
    for connection in many:
        connection.close()


@pytest.mark.parametrize("sent", [b"", LIVE], ids=["silent", "kept alive"])
def test_when_all_are_taken_those_that_wait_make_room(
    patient: RunningServer, opened: Callable[..., list[socket.socket]], sent: bytes
) -> None:
    opened(160, sent)
    for _ in range(3):
        assert httpx.get(f"{patient.url}/health/live", timeout=HANG_SECONDS).status_code == 200
    assert len(patient.watch.connections) <= PATIENT["connections"]


def test_a_trusted_proxy_has_as_many_as_it_needs(parser: type, tiny_model: Callable[..., Path]) -> None:
    settings = ServeSettings(port=0, receive_seconds=HANG_SECONDS, trusted_proxies=("127.0.0.0/8",), connections=50)
    with serving_by(parser, Encoder.load(tiny_model()), settings) as server, ExitStack() as stack:
        for _ in range(49):
            stack.enter_context(connect(server))
        wait_until(lambda: len(server.watch.connections) == 49)
        watch_ticks(server, 4)
        assert len(server.watch.connections) == 49
        assert exchange(server, LIVE) == [503]  # none is there to make room


def test_a_pipeline_has_an_end(patient: RunningServer) -> None:
    last = LIVE.replace(b"Host", b"Connection: close\r\nHost")
    assert exchange(patient, 90 * LIVE + last) == [200] * 91
    assert set(exchange(patient, 1000 * LIVE + last)) == {200}  # of httptools, not all of them


def test_what_is_no_http_does_not_answer_those_before_it(patient: RunningServer) -> None:
    whole = head("/embed", length=len(BODY)) + BODY
    assert exchange(patient, whole + whole + b"\x00\r\n\r\n") in ([200, 200], [200, 200, 400])
    assert exchange(patient, whole + head("/embed", "Transfer-Encoding: chunked") + b"x\r\n")[0] == 200
