"""Turns: batch queues of several models share cores, and run no more batches at once than there are workers.

A worker of a queue takes its batch when it has a turn, not before: a batch that waited would not hold what came
meanwhile. A turn that ends goes straight to the next worker that waits, so that no queue takes one turn after the other
while another waits. Workers with a small job come first, as in a queue, and as there the others are not starved.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
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
    def turn(self, is_urgent: Callable[[], bool]) -> Iterator[None]:
        """Wait for a turn, and end it with the block.

        Args:
            is_urgent: Tells whether a small job waits in the worker's queue; called while this holds a lock.
        """
        self._begin(is_urgent)
        try:
            yield
        finally:
            self._end()

    def _begin(self, is_urgent: Callable[[], bool]) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiting = _Waiting(is_urgent)
            self._line.append(waiting)
        try:
            waiting.has_turn.wait()
        except BaseException:  # Ctrl-C, in the main thread
            with self._lock:
                is_in_line = waiting in self._line
                if is_in_line:
                    self._line.remove(waiting)
            if not is_in_line:
                self._end()
            raise

    def _end(self) -> None:
        """Give the turn to a worker that waits."""
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
