"""Turns: batch queues of several models share cores, and run no more batches at once than there are workers.

A worker of a queue takes each batch in a turn, and not before: a batch that waited would not hold what came meanwhile.
After a batch it goes to the end of the line, and the turn goes to the worker that has waited longest, or to one with a
small job: they come first, as in a queue, and as there the others are not starved.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URGENT_IN_A_ROW = 8
"""After so many urgent turns past others, the worker that has waited longest has its turn."""


class Turns:
    """The turns of several queues' workers: at most ``workers`` at once."""

    def __init__(self, workers: int) -> None:
        self._lock = threading.Lock()
        self._free = workers
        self._workers = workers
        self._line: list[_Waiting] = []
        self._urgent_in_a_row = 0

    @property
    def running(self) -> int:
        """Turns that are taken."""
        return self._workers - self._free

    @property
    def waiting(self) -> int:
        """Workers that wait for a turn."""
        return len(self._line)

    @contextmanager
    def taking(self, is_urgent: Callable[[], bool]) -> Iterator[Callable[[], None]]:
        """Wait for a turn, and end it with the block. For threads that no signal interrupts: a queue's workers.

        Args:
            is_urgent: Tells whether a small job waits in the worker's queue; called while this holds a lock.

        Yields:
            What the worker calls between two batches: it passes the turn on, and waits for the next.
        """
        self._begin(is_urgent)
        try:
            yield partial(self._pass_on, is_urgent)
        finally:
            self._end()

    def _begin(self, is_urgent: Callable[[], bool]) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiting = _Waiting(is_urgent)
            self._line.append(waiting)
        waiting.has_turn.wait()

    def _pass_on(self, is_urgent: Callable[[], bool]) -> None:
        with self._lock:
            if not self._line:
                return
            waiting = _Waiting(is_urgent)
            self._line.append(waiting)
            self._line.pop(self._next()).has_turn.set()
        waiting.has_turn.wait()

    def _end(self) -> None:
        with self._lock:
            if self._line:
                self._line.pop(self._next()).has_turn.set()
            else:
                self._free += 1

    def _next(self) -> int:
        """Choose the first urgent worker in the line; after many of them, the first of all."""
        if self._urgent_in_a_row < URGENT_IN_A_ROW:
            for place, waiting in enumerate(self._line):
                if waiting.is_urgent():
                    self._urgent_in_a_row += place > 0
                    return place
        self._urgent_in_a_row = 0
        return 0


class _Waiting:
    """A worker that waits for its turn."""

    def __init__(self, is_urgent: Callable[[], bool]) -> None:
        self.is_urgent = is_urgent
        self.has_turn = threading.Event()
