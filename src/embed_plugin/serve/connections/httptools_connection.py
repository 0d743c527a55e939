"""HTTP/1.1 by httptools (llhttp): no other protocol, no trailers; heads and pipelines within limits."""

from __future__ import annotations

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from embed_plugin.serve.connections.connection import (
    BAD_REQUEST,
    HEAD_BYTES,
    TOO_LARGE,
    TRAILER_BYTES,
    WatchedConnection,
)

MOST_PIPELINED = 100
"""Requests that may wait behind one that is being answered. One read of the socket may hold ten thousand."""

_FRAMING = {b"content-length", b"transfer-encoding", b"connection"}


class _RefusedError(Exception):
    """Stops the parser: what it reads is refused."""


class HttptoolsConnection(WatchedConnection, HttpToolsProtocol):
    """A connection of a client.

    llhttp ends at a request with ``Upgrade``: it drops the body, and would read it as the next request. Another parser
    goes on from there, which is given the same head without that header.
    """

    _answer = BAD_REQUEST
    _is_refused = False
    _is_repeating_head = False
    _head_bytes = 0
    _trailer_bytes = 0
    _bytes_of_no_part = 0
    """Bytes received since a head, a part of a body, or a request was complete."""
    _last_whole: Any = None

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection is refused already."""
        self.active = self.watch.now
        self._unset_keepalive_if_required()
        if self._is_refused:
            return
        try:
            for first in range(0, len(data), TRAILER_BYTES):  # in parts, so that a part with an end counts little
                self._feed(memoryview(data)[first : first + TRAILER_BYTES])
        except httptools.HttpParserError:
            self._refuse()
        self.note()

    def _feed(self, data: memoryview) -> None:
        while True:
            self._bytes_of_no_part += len(data)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._repeat_head_without_upgrade()
            else:
                break
        if self._bytes_of_no_part > (TRAILER_BYTES if self.receiving == "body" else HEAD_BYTES):
            self._answer = TOO_LARGE
            raise httptools.HttpParserError

    def _repeat_head_without_upgrade(self) -> None:
        framing = [b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING]
        first = f"POST / HTTP/{self.scope['http_version']}\r\n".encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._is_repeating_head = True
        self.parser.feed_data(first + b"".join(framing) + b"\r\n")

    def _should_upgrade(self) -> bool:
        return False

    def on_message_begin(self) -> None:
        """Expect a head."""
        if not self._is_repeating_head:
            self.receiving = "head"
            self._head_bytes = 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        if not self._is_repeating_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is counted and dropped."""
        if self._is_repeating_head:
            return
        if self.receiving == "body":
            self._trailer_bytes += len(name) + len(value)
            self._stop_if(self._trailer_bytes > TRAILER_BYTES)
            return
        self._head_bytes += len(name) + len(value)
        self._stop_if(self._head_bytes > HEAD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is too large or too many wait."""
        if self._is_repeating_head:
            self._is_repeating_head = False
            return
        self._stop_if(self._head_bytes + len(self.url) > HEAD_BYTES or len(self.pipeline) >= MOST_PIPELINED)
        super().on_headers_complete()
        self.cycle.keep_alive &= self.parser.should_keep_alive()  # older releases of uvicorn know `close` alone
        self.receiving = "body"
        self._trailer_bytes = self._bytes_of_no_part = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._bytes_of_no_part = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next head."""
        if self.parser.should_upgrade():  # the other parser reads its body
            return
        super().on_message_complete()
        self.receiving = "nothing"
        self._bytes_of_no_part = 0
        self.whole += 1
        self._last_whole = self.cycle

    def _stop_if(self, is_too_much: bool) -> None:  # noqa: FBT001 - the condition
        if is_too_much:
            self._answer = TOO_LARGE
            raise _RefusedError

    def _refuse(self) -> None:
        """Refuse what came; requests that came whole before it are answered first."""
        self._is_refused = True
        if self.pipeline and self.pipeline[0][0] is not self._last_whole:
            self.pipeline.popleft()  # the newest, which is not whole
            self.cycle = self._last_whole
        self.refuse(self._answer)
