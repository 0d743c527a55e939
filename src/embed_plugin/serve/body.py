"""A request's body, read whole before anything looks at it: within its size, its time and the memory for all bodies."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from embed_plugin.serve.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive

BODIES_HELD = 8
"""So many of the largest bodies may be held at once, or more smaller ones."""

READ_PAST_THE_LIMIT = 4
"""Of a body that is too large as many times the limit are read and dropped: a client that still sends when the
connection is closed does not see the answer that says why."""


class ClientGoneError(Exception):
    """The client closed the connection before its answer."""


class BodyReader:
    """Reads the bodies of one service."""

    def __init__(self, *, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._held = 0

    @contextmanager
    def hold(self, body: bytes) -> Iterator[None]:
        """Count a body while its request is answered."""
        self._held += len(body)
        try:
            yield
        finally:
            self._held -= len(body)

    async def read(self, receive: Receive, declared: int) -> bytes:
        """The whole body.

        Args:
            receive: The request's messages.
            declared: Its Content-Length, 0 if it has none.

        Raises:
            Refusal: it is too large or too slow, or too many are held.
            ClientGoneError: the client went away.
        """
        if declared > READ_PAST_THE_LIMIT * self.limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(receive)
        except TimeoutError:
            message = f"the body was not there {self._seconds:.0f} s after the head"
            raise Refusal("body_too_slow", message, closes=True) from None

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        held = 0
        try:
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
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
            raise Refusal("overloaded", message, retry_after=1, closes=True)

    def _too_large(self) -> Refusal:
        message = f"the body has more than {self.limit} bytes: send the texts in several requests"
        return Refusal("body_too_large", message, closes=True)
