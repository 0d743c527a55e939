"""Trailers are dropped: they change no request, and take no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.serve.connections.connection import TRAILER_BYTES
from serve.conftest import KEY
from serve.connections.conftest import BODY, exchange, head

if TYPE_CHECKING:
    from serve.conftest import RunningServer

CHUNKED = head("/embed", "Transfer-Encoding: chunked")
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
END = head("/info", "Connection: close", method="GET")


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "later"])
def test_a_key_in_a_trailer_is_none(keyed: RunningServer, pause: float) -> None:
    start = b"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    trailer = f"Authorization: Bearer {KEY}\r\n\r\n".encode()
    assert exchange(keyed, start + CHUNKS + trailer, END, pause=pause) == [401, 200]


def test_a_deadline_in_a_trailer_is_none(keyed: RunningServer) -> None:
    assert exchange(
        keyed, CHUNKED + CHUNKS + b"Embed-Deadline-Ms: 0\r\nAccept: application/octet-stream\r\n\r\n" + END
    ) == [
        200,
        200,
    ]


def test_as_many_as_may_be_are_dropped(keyed: RunningServer) -> None:
    trailers = b"X-Checksum: 0123456789\r\n" * (TRAILER_BYTES // 24)
    assert exchange(keyed, CHUNKED + CHUNKS + trailers + b"\r\n" + END) == [200, 200]


@pytest.mark.parametrize(
    "trailer",
    [b"X-Long: " + b"a" * 3 * TRAILER_BYTES, b"X: yyyyyy\r\n" * TRAILER_BYTES, b"X-Name" * TRAILER_BYTES],
    ids=["one value", "many", "one name"],
)
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "in parts"])
def test_more_than_that_ends_the_connection(keyed: RunningServer, trailer: bytes, pause: float) -> None:
    assert refused(keyed, CHUNKED + CHUNKS, trailer, b"a" * TRAILER_BYTES, pause=pause)


def test_chunks_with_long_extensions_are_no_way_round(keyed: RunningServer) -> None:
    assert refused(keyed, CHUNKED, b"1;" + b"a" * 2 * TRAILER_BYTES, b"a" * TRAILER_BYTES, pause=0.05)


def refused(server: RunningServer, *sent: bytes, pause: float) -> bool:
    """True where the connection ends with 431 or, as the system may drop the answer to one that sends, with nothing."""
    return exchange(server, *sent, pause=pause) in ([431], [])
