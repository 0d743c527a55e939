"""HTTP/1.1 by h11, where httptools is not installed: the same limits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from embed_plugin.serve.connections.connection import (
    BAD_REQUEST,
    HEAD_BYTES,
    TOO_LARGE,
    TRAILER_BYTES,
    WatchedConnection,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOO_LARGE_STATUS = 431


class _Parser(h11.Connection):
    """h11's parser, which limits what is incomplete; this one limits what came at once as well.

    Attributes:
        whole: Number of requests that were received whole.
    """

    whole = 0

    def next_event(self) -> Any:  # noqa: ANN401 - h11's events and marks have no common name
        """Return the next event.

        Raises:
            RemoteProtocolError: it is no HTTP, or a head or the trailers are too large.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            _limit(len(event.target) + _size(event.headers), HEAD_BYTES)
        elif isinstance(event, h11.EndOfMessage):
            _limit(_size(event.headers), TRAILER_BYTES)
            self.whole += 1
        return event


class H11Connection(WatchedConnection, H11Protocol):
    """A connection of a client."""

    conn: _Parser
    _is_refused = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common name
        """Take the stricter parser."""
        self.conn = _Parser(h11.SERVER, HEAD_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection is refused already."""
        self.active = self.watch.now
        if not self._is_refused:
            super().data_received(data)
            self.note()

    def handle_events(self) -> None:
        """Handle what was parsed, and note how far it is."""
        super().handle_events()
        self.whole = self.conn.whole
        state = self.conn.their_state
        has_begun = state is h11.IDLE and bool(self.conn.trailing_data[0])
        self.receiving = "body" if state is h11.SEND_BODY else "head" if has_begun else "nothing"

    def _should_upgrade(self) -> bool:
        return False

    def send_400_response(self, msg: str) -> None:
        """Refuse what came. uvicorn's own response fails where another has begun."""
        del msg
        self._is_refused = True
        error = sys.exception()
        is_too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == _TOO_LARGE_STATUS
        self.refuse(TOO_LARGE if is_too_large else BAD_REQUEST)


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _limit(size: int, limit: int) -> None:
    if size > limit:
        raise h11.RemoteProtocolError(f"{size} bytes of headers", error_status_hint=_TOO_LARGE_STATUS)
