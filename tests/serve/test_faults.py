"""Clients that are broken, slow, or mean no good."""

from __future__ import annotations

import json
import select
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import HANG_SECONDS
from embed_plugin import Encoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.connections.connection import HEAD_BYTES
from serve.conftest import KEY, connect, rest_of, serving, wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer

HEAD = b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def impatient(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that waits for a head or a body for a quarter of a second."""
    settings = ServeSettings(port=0, receive_seconds=0.25)
    with serving(Encoder.load(tiny_model()), settings) as server:
        yield server


@pytest.fixture(scope="module")
def small(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that takes 10 kB, and waits for as long as a busy machine needs."""
    settings = ServeSettings(port=0, receive_seconds=HANG_SECONDS, body_bytes=10_000)
    with serving(Encoder.load(tiny_model()), settings) as server:
        yield server


def works(server: RunningServer) -> bool:
    return server.embed(["the cat"]).status_code == 200


def serves_whoever_is_in_time(server: RunningServer) -> bool:
    """A quarter of a second may be too short for this test's own request: it comes again until it was in time."""
    with suppress(httpx.TransportError):
        return works(server)
    return False


@pytest.mark.parametrize(
    "start", [b"", b"POST /embed HT", HEAD, HEAD + b"X-Long: " + b"a" * 1000], ids=["silent", "line", "head", "header"]
)
def test_a_head_that_does_not_come_is_not_waited_for(impatient: RunningServer, start: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(start)
        assert rest_of(connection) == b""
    wait_until(lambda: serves_whoever_is_in_time(impatient))


def test_a_second_head_that_does_not_come_is_not_waited_for_either(impatient: RunningServer) -> None:
    with connect(impatient) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD)
        assert rest_of(connection).count(b"HTTP/1.1") == 1
    wait_until(lambda: serves_whoever_is_in_time(impatient))


def test_a_body_that_does_not_come_is_told_so(impatient: RunningServer) -> None:
    with connect(impatient) as connection:
        connection.sendall(HEAD + b'Content-Length: 500\r\n\r\n{"texts": ')
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in answer


def test_many_slow_clients_do_not_keep_a_good_one_out(impatient: RunningServer) -> None:
    slow = [connect(impatient) for _ in range(30)]
    for connection in slow:
        connection.sendall(HEAD)
    wait_until(lambda: serves_whoever_is_in_time(impatient))
    assert [rest_of(connection) for connection in slow] == [b""] * 30
    for connection in slow:
        connection.close()


@pytest.mark.parametrize("declared", [10_001, 39_000, 10**12])
def test_a_body_that_is_too_large_is_refused_by_its_length(small: RunningServer, declared: int) -> None:
    with connect(small) as connection:
        connection.sendall(HEAD + f"Content-Length: {declared}\r\n\r\n".encode() + b"x" * min(declared, 39_000))
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in answer
    assert works(small)


def chunks(size: int, count: int) -> Iterable[bytes]:
    return (b"x" * size for _ in range(count))


def test_a_body_of_no_declared_length_is_counted(small: RunningServer) -> None:
    answer = small.client.post("/embed", content=chunks(1000, 20))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    body = json.dumps({"texts": ["the cat"]}).encode()
    chunked = small.client.post("/embed", content=iter([body]), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /info HTTP/1.1\r\nHost: x\r\nX: " + b"a" * HEAD_BYTES,
        b"GET /" + b"a" * HEAD_BYTES,
        b"GET /info HTTP/1.1\r\n" + b"X: y\r\n" * HEAD_BYTES + b"\r\n",
    ],
    ids=["one header", "the path", "many headers"],
)
def test_a_head_that_is_too_large_is_refused(small: RunningServer, head: bytes) -> None:
    with connect(small) as connection:
        connection.sendall(head + b"a" * 1000)
        assert rest_of(connection)[:12] in {
            b"HTTP/1.1 431",
            b"",
        }  # the answer may be dropped while it sends
    assert works(small)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["bytes", "a word", "a version", "a negative length", "two lengths", "smuggled"],
)
def test_what_is_no_http_is_refused(small: RunningServer, raw: bytes) -> None:
    with connect(small) as connection:
        connection.sendall(raw)
        assert rest_of(connection)[:12] in {b"HTTP/1.1 400", b""}
    assert works(small)


def test_a_page_of_another_site_cannot_ask(server: RunningServer) -> None:
    cross_site = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    allowed = server.client.options("/embed", headers=cross_site)
    assert "access-control-allow-origin" not in allowed.headers
    body = json.dumps({"texts": ["the cat"]})
    # What a form can send without asking first:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        refused = server.client.post("/embed", content=body, headers={"Content-Type": kind})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


def test_wrong_keys_cost_no_tokens_and_leave_no_trace(
    locked_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def tokens() -> float | None:
        return locked_server.service.metrics.registry.get_sample_value("embed_tokens_total")

    before = tokens()
    for number in range(50):
        headers = {"Authorization": f"Bearer {KEY}{number}"}
        assert locked_server.embed(["a secret text"], headers=headers).status_code == 401
    assert tokens() == before
    assert locked_server.embed(["a secret text"], headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    log = capsys.readouterr()
    assert '"status": 401' in log.err
    assert KEY not in log.out + log.err
    assert "secret" not in log.out + log.err


def unfinished(server: RunningServer, count: int) -> list[socket.socket]:
    """Connections that have sent all but a few bytes of a body of the largest size."""
    connections = [connect(server) for _ in range(count)]
    for connection in connections:
        connection.sendall(HEAD + b"Content-Length: 9990\r\n\r\n" + b"x" * 9980)
    return connections


def test_bodies_that_take_too_much_memory_together_are_told_to_wait(tiny_model: Callable[..., Path]) -> None:
    settings = ServeSettings(port=0, receive_seconds=HANG_SECONDS, body_bytes=10_000)
    with serving(Encoder.load(tiny_model()), settings) as server:
        first = unfinished(server, 8)
        more = unfinished(server, 1)
        (refused,), _, _ = select.select([*first, *more], [], [], HANG_SECONDS)
        assert refused is not more[0]  # but one that has been waiting for longer
        assert rest_of(refused).startswith(b"HTTP/1.1 429 ")
        assert server.embed(["cat " * 2000]).status_code == 200
        for connection in [*first, *more]:
            connection.close()
        wait_until(lambda: works(server))
