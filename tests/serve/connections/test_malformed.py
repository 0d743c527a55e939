"""Requests with random damage, over raw sockets: some answer or an end, and nobody else is touched."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from serve.conftest import KEY, connect, rest_of
from serve.connections.conftest import BODY, LIVE, STATUS, head

if TYPE_CHECKING:
    import pytest

    from serve.conftest import RunningServer

PIECES = [
    b"\r\n", b"\r", b"\n", b" ", b":", b"\x00", b"\xff", b"0", b"-1", b"1" * 30, b"\t", b";", b"%", b"/", b"HTTP/2",
    b"Content-Length: 5\r\n", b"Content-Length: +5\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n",
    b"Transfer-Encoding: identity\r\n", b"Connection: Upgrade\r\n", b"Connection: close\r\n", b" folded\r\n",
    b"Expect: 100-continue\r\n", b"Trailer: X\r\n", b"GET http://x/ HTTP/1.1\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"ffffffffffffffff\r\n", b"0\r\n\r\n", LIVE,
]  # fmt: skip
WHOLE = [
    head("/embed", length=len(BODY)) + BODY,
    head("/embed", "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    LIVE + head("/info", method="GET") + LIVE,
]


def damaged(chance: random.Random) -> bytes:
    """A request, or several, with one to four places cut out, doubled or replaced."""
    sent = bytearray(chance.choice(WHOLE))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(sent))
        sent[at : at + chance.choice([0, 0, 1, 5, 40])] = chance.choice(PIECES)
    return bytes(sent)


def ask_well(server: RunningServer, stop: threading.Event, outcomes: list[int]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    while not stop.is_set() or len(outcomes) < 2:
        outcomes.append(server.embed(["the cat"], headers=headers).status_code)


def test_random_damage_harms_nobody_else(keyed: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    stop, outcomes = threading.Event(), list[int]()
    other = threading.Thread(target=ask_well, args=(keyed, stop, outcomes))
    other.start()
    chance, seen = random.Random(1), set[bytes]()  # noqa: S311 - no secret
    try:
        for _ in range(3):
            with ExitStack() as stack:
                # What is whole nevertheless is followed by what is not, so that the server ends the connection.
                sent = [damaged(chance) + b"GET /" for _ in range(60)]
                many = [stack.enter_context(connect(keyed, each)) for each in sent]
                for connection in many:
                    seen.update(STATUS.findall(rest_of(connection)))
    finally:
        stop.set()
        other.join()
    assert set(outcomes) == {200}
    assert {b"200", b"400"} <= seen
    assert b"500" not in seen
    assert not [each for each in caplog.records if each.name == "asyncio"]
