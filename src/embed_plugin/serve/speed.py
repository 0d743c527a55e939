"""How many tokens a second the workers get done, as measured lately."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from embed_plugin.encode.batch_queue import BatchReport

Lane: TypeAlias = Literal["interactive", "bulk"]
"""Small jobs and large ones; see :mod:`embed_plugin.encode.batch_queue`."""

LANES: tuple[Lane, Lane] = ("interactive", "bulk")

HALF_LIFE_SECONDS = 5.0
"""Work so long ago counts half."""

LEAST_BULK_SHARE = 1 / 9
"""After eight batches of the interactive lane the bulk lane has one."""


class Speed:
    """Measures batches as they are done; safe to call from the workers' threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._tokens = self._small_tokens = self._seconds = 0.0

    def note(self, report: BatchReport) -> None:
        """Take a batch into account."""
        with self._lock:
            keep = 0.5 ** (report.seconds / (HALF_LIFE_SECONDS * self._workers))
            self._tokens = keep * self._tokens + report.tokens
            self._small_tokens = keep * self._small_tokens + report.small_tokens
            self._seconds = keep * self._seconds + report.seconds

    def forget(self) -> None:
        """Begin anew: what was measured is of no use, a first run's slowness for instance."""
        with self._lock:
            self._tokens = self._small_tokens = self._seconds = 0.0

    def tokens_per_second(self, lane: Lane) -> float:
        """Tokens of a lane that all workers together get done while the lane has work; 1 before the first batch.

        The interactive lane goes first and has them all; what it took lately is missing to the bulk lane.
        """
        with self._lock:
            if not self._seconds:
                return 1.0
            every = self._workers * self._tokens / self._seconds
            share = 1.0 if lane == "interactive" else max(LEAST_BULK_SHARE, 1 - self._small_tokens / self._tokens)
            return every * share
