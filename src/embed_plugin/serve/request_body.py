"""Reads a request's body whole, before anything parses it, within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
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


class BodyReader:
    """Reads the bodies of one service."""

    def __init__(self, *, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._held = 0

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
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(receive)
        except TimeoutError:
            message = f"the body was not there {self._seconds:.0f} s after the head"
            raise RequestError("body_too_slow", message, closes=True) from None

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        held = 0
        try:
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnectedError
                part = message.get("body", b"")
                size += len(part)
                if size <= self.limit:
                    parts.append(part)
                    held += len(part)
                    self._held += len(part)
                    self._check_held()
                elif size > READ_PAST_THE_LIMIT * self.limit or not message.get("more_body", False):
                    raise self._too_large()
                if not message.get("more_body", False):
                    return b"".join(parts)
        finally:
            self._held -= held

    def _check_held(self) -> None:
        if self._held > BODIES_HELD * self.limit:
            message = f"the bodies of requests take {self._held} bytes of memory: try again shortly"
            raise RequestError("overloaded", message, retry_after=1, closes=True)

    def _too_large(self) -> RequestError:
        message = f"the body has more than {self.limit} bytes: send the texts in several requests"
        return RequestError("body_too_large", message, closes=True)
