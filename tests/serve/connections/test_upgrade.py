"""A request that asks for another protocol is served as one of HTTP/1.1, with its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from serve.connections.conftest import BODY, LIVE, exchange, head

if TYPE_CHECKING:
    from serve.conftest import RunningServer

UPGRADES = {
    "curl": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "websocket": ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "unknown": ("Connection: keep-alive, Upgrade", "Upgrade: TLS/1.0"),
}
END = head("/info", "Connection: close", method="GET")


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "in parts"])
def test_its_body_is_read(keyed: RunningServer, upgrade: tuple[str, ...], pause: float) -> None:
    assert exchange(keyed, head("/embed", *upgrade, length=len(BODY)), BODY, END, pause=pause) == [200, 200]


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "in parts"])
def test_its_chunks_are_read(keyed: RunningServer, pause: float) -> None:
    start = head("/embed", *UPGRADES["curl"], "Transfer-Encoding: chunked")
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:9], BODY[9:])]
    assert exchange(keyed, start, *parts, b"0\r\n\r\n", END, pause=pause) == [200, 200]


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "in parts"])
def test_a_request_in_its_body_is_no_request(keyed: RunningServer, pause: float) -> None:
    body = head("/embed", length=len(BODY)) + BODY
    assert exchange(keyed, head("/embed", *UPGRADES["curl"], length=len(body)), body, END, pause=pause) == [422, 200]


def test_one_without_a_body_leaves_the_next_request_alone(keyed: RunningServer) -> None:
    asks = head("/info", *UPGRADES["curl"], method="GET")
    assert exchange(keyed, asks + asks + LIVE + END) == [200] * 4


def test_one_that_ends_the_connection_ends_it(keyed: RunningServer) -> None:
    upgrade = ("Connection: close, Upgrade", "Upgrade: h2c")
    assert exchange(keyed, head("/embed", *upgrade, length=len(BODY)) + BODY) == [200]
    old = head("/embed", "Connection: Upgrade", "Upgrade: h2c", length=len(BODY)).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert exchange(keyed, old + BODY) == [200]


@pytest.mark.parametrize("target", ["elsewhere:443", "/embed", "*"])
def test_this_is_no_proxy(keyed: RunningServer, target: str) -> None:
    statuses = exchange(keyed, head(target, "Connection: close", method="CONNECT"))
    assert statuses in ([400], [404], [405])


def test_http_2_is_told_that_this_is_not(keyed: RunningServer) -> None:
    assert exchange(keyed, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))[-1] == 400
