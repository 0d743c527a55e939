"""A connection that the watch knows: what its client is sending, since when, and how much it leaves unread."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, Literal, Protocol, TypeAlias

Receiving: TypeAlias = Literal["nothing", "head", "body"]

HEAD_BYTES = 32 * 1024
"""Limit of request line and headers together."""

TRAILER_BYTES = 16 * 1024
"""Limit of the trailers behind a chunked body. They are read and dropped: no route asks for any."""

LEAST_READ_BYTES = 64 * 1024
"""A client that reads less than this of its response within the time limit of sending is cut off."""

_CLOSE = b"content-length: 0\r\nconnection: close\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n" + _CLOSE
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE

_IPV6_NETWORK_BITS = 64


class Watch(Protocol):
    """What a connection tells of itself; its clock is in seconds."""

    now: float

    def add(self, connection: WatchedConnection) -> None:
        """Take a connection that was made."""

    def remove(self, connection: WatchedConnection) -> None:
        """Forget a connection that was lost."""


class WatchedConnection(asyncio.Protocol):
    """The common part of both parsers' connections: a base class to put before uvicorn's.

    Attributes:
        watch: Knows all connections of the server.
        receiving: The part of a request that has begun and is not whole.
        whole: Number of requests that were received whole.
        since: Time at which its state became what it is, by the clock of the watch.
        active: Time of the last bytes, by the same clock.
        unread: Bytes that the client leaves unread, and the time since which it has read next to nothing of them.
    """

    watch: Watch
    receiving: Receiving = "nothing"
    whole = 0
    since = 0.0
    active = 0.0
    _state: tuple[Receiving, bool, int] | None = None
    unread: tuple[int, float] = (0, 0.0)
    # Set by uvicorn:
    transport: Any
    flow: Any
    cycle: Any
    client: tuple[str, int] | None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common name
        """Tell the watch, which may close other connections for this one."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (plain_address(self.client[0]), self.client[1])
        self.active = self.watch.now
        self.note()
        self.watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the watch."""
        self.watch.remove(self)
        super().connection_lost(exc)

    def note(self) -> None:
        """Take the time if the state is another than before."""
        state = (self.receiving, self.is_answering, self.whole)
        if state != self._state:
            self._state, self.since = state, self.watch.now

    @property
    def is_answering(self) -> bool:
        """True while a response is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_unfinished(self) -> bool:
        """True while a request is not whole, or none has come yet."""
        return self.receiving != "nothing" or not self.whole

    @property
    def is_waiting(self) -> bool:
        """True if closing the connection would cut off no request that came whole."""
        return self.is_unfinished or not self.is_answering

    def note_unread(self) -> None:
        """Take the time if the client has read on, or there is nothing that it could read."""
        unread = self.transport.get_write_buffer_size()
        if not (self.flow.write_paused or self.transport.is_closing()):
            unread = 0
        before, _ = self.unread
        if not unread or not before - LEAST_READ_BYTES < unread <= before:
            self.unread = (unread, self.watch.now)

    def refuse(self, answer: bytes) -> None:
        """Answer a request that cannot be read, and close; responses to those before it are completed instead."""
        if self.is_answering and (self.cycle.response_started or not self.cycle.more_body):
            self.cycle.keep_alive = False
            return
        if not self.transport.is_closing():
            is_answered = self.receiving == "body" and not self.is_answering
            self.transport.write(b"" if is_answered else answer)
            self.transport.close()


def plain_address(host: str) -> str:
    """Return the IPv4 address of a client that an IPv6 socket shows as ``::ffff:192.0.2.1``; others as they are."""
    try:
        mapped = getattr(ipaddress.ip_address(host), "ipv4_mapped", None)
    except ValueError:
        return host
    return str(mapped or host)


def network_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the network of 64 bits that one IPv6 client may have."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))
