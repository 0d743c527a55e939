"""Reads a request's body whole, before anything parses it, within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embed_plugin.serve.request_errors import ClientDisconnectedError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive

BODIES_HELD = 8
"""Memory for all bodies together, in bodies of the largest size."""

READ_PAST_THE_LIMIT = 4
"""A body that is too large is read and dropped up to this multiple of the limit: a client that is still sending when
the connection is closed does not see the error response."""


@dataclass(eq=False)
class _Unfinished:
    """A body that is being received."""

    timeout: asyncio.Timeout
    parts: list[bytes] = field(default_factory=list)
    held: int = 0
    is_dropped: bool = False


class BodyReader:
    """Reads the bodies of one service."""

    def __init__(self, *, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._held = 0
        self._unfinished: list[_Unfinished] = []

    @contextmanager
    def hold(self, body: bytes) -> Iterator[None]:
        """Count a body's memory while its request is answered."""
        self._held += len(body)
        try:
            yield
        finally:
            self._held -= len(body)

    async def read(self, receive: Receive, declared: int) -> bytes:
        """Read the whole body.

        Args:
            receive: Receives the request's ASGI messages.
            declared: Its Content-Length, 0 if it has none.

        Raises:
            RequestError: the body is too large or too slow, or bodies take too much memory.
            ClientDisconnectedError: the client closed the connection.
        """
        if declared > READ_PAST_THE_LIMIT * self.limit:
            raise self._too_large()
        body = _Unfinished(asyncio.timeout(self._seconds))
        self._unfinished.append(body)
        try:
            async with body.timeout:
                return await self._read(receive, body)
        except TimeoutError:
            if body.is_dropped:
                raise self._overloaded() from None
            message = f"the body was not there {self._seconds:.0f} s after the head"
            raise RequestError("body_too_slow", message, closes=True) from None
        finally:
            self._drop(body)

    async def _read(self, receive: Receive, body: _Unfinished) -> bytes:
        size = 0
        while True:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            if body.is_dropped:
                raise self._overloaded()
            part = message.get("body", b"")
            size += len(part)
            if size <= self.limit:
                body.parts.append(part)
                body.held += len(part)
                self._held += len(part)
                self._make_room(body)
            elif size > READ_PAST_THE_LIMIT * self.limit or not message.get("more_body", False):
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(body.parts)

    def _make_room(self, own: _Unfinished) -> None:
        """Drop the bodies that have been unfinished for longest, so that those who send fast are not refused."""
        while self._held > BODIES_HELD * self.limit:
            oldest = self._unfinished[0]
            self._drop(oldest)
            if oldest is own:
                raise self._overloaded()
            with suppress(RuntimeError):  # its time is up in this moment
                oldest.timeout.reschedule(asyncio.get_running_loop().time())

    def _drop(self, body: _Unfinished) -> None:
        if not body.is_dropped:
            body.is_dropped = True
            self._unfinished.remove(body)
            self._held -= body.held
            body.parts.clear()

    def _overloaded(self) -> RequestError:
        message = "the bodies of requests take too much memory: try again shortly"
        return RequestError("overloaded", message, retry_after=1, closes=True)

    def _too_large(self) -> RequestError:
        message = f"the body has more than {self.limit} bytes: send the texts in several requests"
        return RequestError("body_too_large", message, closes=True)
