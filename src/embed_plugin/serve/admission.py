"""Who may wait: by the tokens that wait already, not by requests."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.throughput import LANES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.encode.queue import QueuedTokens
    from embed_plugin.serve.throughput import Lane, Throughput

QUEUE_SECONDS = 10.0
"""Where no limit was set, as many tokens may wait in the bulk lane as are encoded in this time."""

INTERACTIVE_SHARE = 0.1
"""Of the bulk lane's limit: a query that would wait for longer than a second is better told so at once."""


RETRY_BACKLOG_CAP_SECONDS = 30.0
"""Nobody is told to wait for longer because of others who were told to: they may not come back."""


class Admission:
    """Lets a request in while its lane has less waiting than its limit.

    It is the lane's tokens that count, so that one request may be larger than the limit and still have its turn.
    """

    def __init__(
        self,
        queued: Callable[[], QueuedTokens],
        throughput: Throughput,
        *,
        limit: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queued = queued
        self._clock = clock
        self._retries_until: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._throughput = throughput
        self._reserved: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._limits: dict[Lane, int] = _limits(limit or 1)
        self._is_fixed = limit is not None

    def measure_limits(self) -> None:
        """Set the limits by the speed that was measured, unless they were given."""
        if not self._is_fixed:
            self._limits = _limits(int(QUEUE_SECONDS * self._throughput.tokens_per_second("bulk")))

    def limit(self, lane: Lane) -> int:
        """Tokens of a lane that may wait."""
        return self._limits[lane]

    def waiting(self, lane: Lane) -> int:
        """Tokens of a lane that wait for a worker, or are about to."""
        queued = self._queued()
        return (queued.small if lane == "interactive" else queued.large) + self._reserved[lane]

    @contextmanager
    def reserve(self, lane: Lane, tokens: int) -> Iterator[None]:
        """Let a request of about so many tokens in, and count them until they are in the queue.

        Raises:
            RequestError: as much as may wait does wait; says when there will be room.
        """
        waiting = self.waiting(lane)
        if waiting >= self.limit(lane):
            raise self._overloaded(lane, waiting, tokens)
        self._reserved[lane] += tokens
        try:
            yield
        finally:
            self._reserved[lane] -= tokens

    def _overloaded(self, lane: Lane, waiting: int, tokens: int) -> RequestError:
        """Tell when there is room, and after whom: all who are refused at once cannot come back at once."""
        limit, now = self.limit(lane), self._clock()
        rate = self._throughput.tokens_per_second(lane)
        room_at = now + (waiting - limit + 1) / rate
        at = max(room_at, min(self._retries_until[lane], now + RETRY_BACKLOG_CAP_SECONDS))
        self._retries_until[lane] = at + tokens / rate
        seconds = max(1, math.ceil(at - now))
        found = f"{waiting} tokens wait in the {lane} lane, which may hold {limit}"
        message = f"{found}; at {rate:.0f} tokens/s there is room in {seconds} s"
        return RequestError("overloaded", message, retry_after=seconds)


def _limits(bulk: int) -> dict[Lane, int]:
    return {"interactive": max(1, int(INTERACTIVE_SHARE * bulk)), "bulk": bulk}
