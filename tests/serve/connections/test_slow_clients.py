"""Clients that send or read slowly, or nothing: each is let go in time, and none keeps another out."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from conftest import HANG_SECONDS
from embed_plugin import Encoder
from serve.conftest import KEY, connect, wait_until
from serve.connections.conftest import BODY, LIVE, exchange, head, serving_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serve.conftest import RunningServer

UNKEYED = b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
LIVE_WITH_A_BODY = LIVE.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 900\r\nHost")
ANSWERED = {
    "a body after 401": (UNKEYED, 401),
    "chunks after 401": (UNKEYED.replace(b"Content-Length: 900", b"Transfer-Encoding: chunked"), 401),
    "a body on an open path": (LIVE.replace(b"Host", b"Content-Length: 900\r\nHost"), 200),
    "a body on an open path of GET": (LIVE_WITH_A_BODY, 405),
    "a head after a request": (LIVE + b"GET /he", 200),
}


@pytest.mark.parametrize(("sent", "status"), ANSWERED.values(), ids=ANSWERED)
@pytest.mark.parametrize("more", [b"", b"x"], ids=["nothing more", "one byte more"])
def test_what_never_comes_is_not_waited_for(keyed: RunningServer, sent: bytes, status: int, more: bytes) -> None:
    assert exchange(keyed, sent, more, pause=0.05) == [status]


@pytest.mark.parametrize("drop", [b"\r\n", b"G", b"X: y\r\n"], ids=["empty lines", "a request line", "headers"])
def test_a_head_that_drips_is_not_waited_for(keyed: RunningServer, drop: bytes) -> None:
    start = b"GET / HTTP/1.1\r\n" if drop == b"X: y\r\n" else b""
    with connect(keyed, start) as connection:
        connection.settimeout(0.05)
        end = time.monotonic() + HANG_SECONDS
        while time.monotonic() < end:
            try:
                connection.sendall(drop)
                if not connection.recv(100):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    pytest.fail("it is still open")


def test_a_body_that_drips_is_told_so(keyed: RunningServer) -> None:
    assert exchange(keyed, head("/embed", length=900), *[b"x"] * 8, pause=0.1)[:1] in ([408], [])


def test_no_body_is_asked_for_where_none_is_read(keyed: RunningServer) -> None:
    waits = b"Expect: 100-continue\r\nHost"
    for sent, status in (ANSWERED["a body after 401"], ANSWERED["a body on an open path"]):
        assert exchange(keyed, sent.replace(b"Host", waits)) == [status]
    start = head("/embed", "Expect: 100-continue", "Connection: close", length=len(BODY))
    assert exchange(keyed, start, BODY, pause=0.05) == [100, 200]


def test_bodies_on_open_paths_take_no_room_of_others(keyed: RunningServer) -> None:
    start = LIVE.replace(b"Host", b"Content-Length: 9990\r\nHost")
    many = [connect(keyed, start + b"x" * 9980) for _ in range(20)]
    for connection in many:
        assert connection.recv(12) == b"HTTP/1.1 200"
    headers = {"Authorization": f"Bearer {KEY}"}
    assert keyed.embed(["the cat"], headers=headers).status_code == 200
    for connection in many:
        connection.close()


@pytest.mark.parametrize(
    ("limit", "value"), [("SEND_SECONDS", 0.5), ("UNREAD_BYTES", 100_000)], ids=["for too long", "too much"]
)
def test_a_response_that_is_not_read_is_cut_off(
    parser: type, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    with serving_by(parser, Encoder.load(tiny_model())) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        texts = json.dumps({"texts": ["the cat"] * 2000}).encode()
        connection.sendall(8 * (head("/embed", length=len(texts)) + texts))
        wait_until(lambda: any(each.flow.write_paused for each in server.watch.connections))
        assert len(server.watch.connections) == 1
        monkeypatch.setattr(f"embed_plugin.serve.connections.watch.{limit}", value)
        wait_until(lambda: not server.watch.connections)
