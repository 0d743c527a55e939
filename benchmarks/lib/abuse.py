"""Clients that mean no good: each sends from a process of its own until it is ended."""

from __future__ import annotations

import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a-key-of-the-benchmark-0123456789"
KEYED = f"Host: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"texts": ["where is the cat?"]}'
CONNECTIONS = 400
BATCH = 20
HALF_BODY_BYTES = 4 * 2**20
PIECES = [b"\r\n", b"\x00", b"\xff", b"-1", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
PIECES += [b"Upgrade: h2c\r\n"]


def head(*more: str, path: str = "/embed") -> bytes:
    """The head of a request that has the key."""
    return "\r\n".join([f"POST {path} HTTP/1.1", KEYED + "\r\n".join([*more, "", ""])]).encode()


def malformed(port: int) -> None:
    """Send requests with random damage, a thousand a second and more."""
    whole = head(f"Content-Length: {len(BODY)}") + BODY
    chance = random.Random(1)  # noqa: S311 - no secret
    while True:
        many = []
        for _ in range(BATCH):
            sent = bytearray(whole)
            for _ in range(3):
                at = chance.randrange(len(sent))
                sent[at : at + chance.choice([0, 1, 5, 40])] = chance.choice(PIECES)
            with suppress(OSError):
                many.append(_connected(port))
                many[-1].sendall(sent + b"GET /")
        time.sleep(0.01)
        for connection in many:
            connection.close()


def silent(port: int) -> None:
    """Hold connections that send nothing."""
    _hold(port, b"", drop=b"")


def slow_heads(port: int) -> None:
    """Send heads a header at a time, and no end."""
    _hold(port, b"GET / HTTP/1.1\r\n", drop=b"X: y\r\n")


def slow_bodies(port: int) -> None:
    """Send bodies a byte at a time, with the key."""
    _hold(port, head("Content-Length: 90000"), drop=b"x")


def bodies_to_probes(port: int) -> None:
    """Send bodies a byte at a time where none is read, without the key."""
    _hold(port, LIVE.replace(b"Host", b"Content-Length: 90000\r\nHost"), drop=b"x")


def bodies_without_a_key(port: int) -> None:
    """Send bodies a byte at a time that were refused already."""
    _hold(port, b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n", drop=b"x")


def idle(port: int) -> None:
    """Hold connections that have had an answer, and send empty lines."""
    _hold(port, LIVE, drop=b"\r\n")


def unread(port: int) -> None:
    """Ask for much, and read nothing of it."""
    texts = b'{"texts": [' + b", ".join([b'"the cat"'] * 2000) + b"]}"
    _hold(port, 4 * (head(f"Content-Length: {len(texts)}") + texts), drop=b"", count=8, reads=False)


def trailers(port: int) -> None:
    """Send trailers as fast as they are taken."""
    start = head("Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    while True:
        with suppress(OSError), _connected(port) as connection:
            connection.sendall(start)
            while True:
                connection.sendall(b"X-Trailer: 0123456789abcdef\r\n" * 2000)


def upgrades(port: int) -> None:
    """Ask for another protocol, with a request in the body."""
    body = head(f"Content-Length: {len(BODY)}") + BODY
    start = head("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", f"Content-Length: {len(body)}")
    while True:
        with suppress(OSError), _connected(port) as connection:
            connection.sendall(start)
            time.sleep(0.01)
            connection.sendall(body)
            connection.recv(65536)


def half_bodies(port: int) -> None:
    """Send half of large bodies, with the key."""
    _hold(port, head(f"Content-Length: {2 * HALF_BODY_BYTES}") + b"x" * HALF_BODY_BYTES, drop=b"", count=64)


ABUSES: dict[str, Callable[[int], None]] = {
    each.__name__: each
    for each in (
        malformed,
        silent,
        slow_heads,
        slow_bodies,
        bodies_to_probes,
        bodies_without_a_key,
        idle,
        unread,
        trailers,
        upgrades,
        half_bodies,
    )
}


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _hold(port: int, start: bytes, *, drop: bytes, count: int = CONNECTIONS, reads: bool = True) -> None:
    """Hold so many connections; one that was closed is opened again."""
    held: list[socket.socket] = []
    while True:
        while len(held) < count:
            with suppress(OSError):
                connection = _connected(port)
                held.append(connection)
                connection.sendall(start)
        for connection in list(held):
            try:
                connection.setblocking(False)  # noqa: FBT003 - the standard library's
                connection.send(drop or b"")
                if reads and not connection.recv(4096):  # its end
                    raise ConnectionError
            except BlockingIOError:
                continue
            except OSError:
                connection.close()
                held.remove(connection)
        time.sleep(0.1)
