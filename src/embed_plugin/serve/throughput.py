"""Measures the recent throughput of the workers, in tokens per second."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.encode.queue import BatchReport

Lane: TypeAlias = Literal["interactive", "bulk"]
"""Queues of small and of large jobs; see :mod:`embed_plugin.encode.queue`."""

LANES: tuple[Lane, Lane] = ("interactive", "bulk")

HALF_LIFE_SECONDS = 5.0
"""Age at which a measurement counts half."""

LEAST_BULK_SHARE = 1 / 9
"""The bulk lane runs at least one batch after eight of the interactive lane."""


class Throughput:
    """Measures completed batches; safe to call from the workers' threads."""

    def __init__(self, workers: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = self._small_tokens = self._seconds = 0.0
        self._noted = clock()

    def add(self, report: BatchReport) -> None:
        """Add a completed batch."""
        with self._lock:
            keep = math.exp(-math.log(2) * report.seconds / (HALF_LIFE_SECONDS * self._workers))
            self._tokens = keep * self._tokens + report.tokens
            self._seconds = keep * self._seconds + report.seconds
            self._small_tokens = self._small_tokens_lately() + report.small_tokens
            self._noted = self._clock()

    def reset(self) -> None:
        """Forget the measurements, such as those of a slow first run."""
        with self._lock:
            self._tokens = self._small_tokens = self._seconds = 0.0

    def tokens_per_second(self, lane: Lane) -> float:
        """Return the tokens per second that all workers encode for a busy lane; 1 before the first batch.

        The interactive lane goes first and has the whole throughput; the bulk lane has the rest.
        """
        with self._lock:
            if not self._seconds:
                return 1.0
            every = self._workers * self._tokens / self._seconds
            if lane == "interactive":
                return every
            taken = self._small_tokens_lately() * math.log(2) / HALF_LIFE_SECONDS
            return max(LEAST_BULK_SHARE * every, every - taken)

    def _small_tokens_lately(self) -> float:
        """Return the interactive lane's decayed tokens; they decay by the clock, because the lane may be idle."""
        half_lives = (self._clock() - self._noted) / HALF_LIFE_SECONDS
        return self._small_tokens * math.exp(-math.log(2) * half_lives)
