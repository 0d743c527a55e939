"""Admission control: limits the tokens that wait in each lane, and computes Retry-After for the rest."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embed_plugin.encode.queue import SMALL_JOB_TOKENS
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.throughput import LANES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.encode.queue import QueuedTokens
    from embed_plugin.serve.throughput import Lane, Throughput

QUEUE_SECONDS = 10.0
"""Default limit of the bulk lane: the tokens that are encoded in this time, at the speed measured lately."""

INTERACTIVE_SHARE = 0.1
"""The interactive lane's limit, as a share of the bulk lane's: a query that would wait for more than a second is better
refused at once."""

LEAST_BULK_TOKENS = 40 * SMALL_JOB_TOKENS
"""Floor of the default limit. The interactive lane then holds four of its largest requests, or a hundred short queries,
however slow the machine is at the moment."""

RETRY_BACKLOG_CAP_SECONDS = 30.0
"""Cap on the wait added for clients already told to retry later, because they may not come back."""


class Admission:
    """Admits a request while fewer tokens than the limit wait in its lane.

    The request's own tokens do not count, so that one larger than the limit is admitted when its turn comes.
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
        self._limit = limit

    def limit(self, lane: Lane) -> int:
        """Return the most tokens that may wait in a lane: as given, or what the recent throughput allows."""
        bulk = self._limit
        if bulk is None:  # the interactive lane's throughput is that of all workers
            bulk = max(LEAST_BULK_TOKENS, int(QUEUE_SECONDS * self._throughput.tokens_per_second("interactive")))
        return bulk if lane == "bulk" else max(1, int(INTERACTIVE_SHARE * bulk))

    def waiting(self, lane: Lane) -> int:
        """Return the tokens that wait in a lane: queued ones, and those of requests being tokenised."""
        queued = self._queued()
        return (queued.small if lane == "interactive" else queued.large) + self._reserved[lane]

    @contextmanager
    def reserve(self, lane: Lane, tokens: int) -> Iterator[None]:
        """Admit a request of about ``tokens`` tokens, and count them until they are queued.

        Raises:
            RequestError: the lane is full; carries the time to retry after.
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
        """Make the error of a full lane; Retry-After staggers clients that are refused at the same time."""
        limit, now = self.limit(lane), self._clock()
        rate = self._throughput.tokens_per_second(lane)
        room_at = now + (waiting - limit + 1) / rate
        at = max(room_at, min(self._retries_until[lane], now + RETRY_BACKLOG_CAP_SECONDS))
        self._retries_until[lane] = at + tokens / rate
        seconds = max(1, math.ceil(at - now))
        found = f"{waiting} tokens wait in the {lane} lane, which may hold {limit}"
        message = f"{found}; at {rate:.0f} tokens/s there is room in {seconds} s"
        return RequestError("overloaded", message, retry_after=seconds)
