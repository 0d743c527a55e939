"""A circuit breaker: stops asking an endpoint that fails, and finds out with one request whether it is back."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Literal, NewType, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

CircuitState: TypeAlias = Literal["closed", "open", "half-open"]

Admission = NewType("Admission", int)
"""Leave to send one request; it is given back with what became of it."""

_log = logging.getLogger("embed_plugin.client")


class CircuitBreaker:
    """The circuit of one endpoint. Any number of threads and tasks may use it at once.

    ::

        closed --- failures in a row ---> open --- open_seconds later, for one request ---> half-open
           ^                                ^-------------- it failed -------------------------|
           `------------------------------------------------ it succeeded ---------------------'

    What became of a request counts only in the state that admitted it: the failures of requests that were under
    way when the circuit opened say nothing new, and a success from before does not close it.

    Args:
        name: The endpoint, for the log.
        failures_to_open: Failures in a row that open it.
        open_seconds: How long it refuses before one request may try.
        clock: Seconds that only grow; another one in tests.
    """

    def __init__(
        self,
        name: str,
        *,
        failures_to_open: int,
        open_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._state: CircuitState = "closed"
        self._period = 0
        self._failures = 0
        self._last_failure = ""
        self._may_try_at = 0.0

    @property
    def state(self) -> CircuitState:
        """``closed``: requests go through; ``open``: none does; ``half-open``: one is finding out."""
        return self._state

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until a request may be admitted; 0 where one may be now, or as soon as the probe is back."""
        return max(0.0, self._may_try_at - self._clock()) if self._state == "open" else 0.0

    @property
    def problem(self) -> str:
        """Why requests are refused, in words."""
        with self._lock:
            why = f"after {self._failures} failures in a row, the last: {self._last_failure}"
            return f"not asked, its circuit is {self._state} {why}"

    def admit(self) -> Admission | None:
        """Leave to send a request, or ``None``; whoever gets it calls one of the other three methods in the end."""
        with self._lock:
            if self._state == "open" and self._clock() >= self._may_try_at:
                self._change("half-open")
            elif self._state != "closed":
                return None
            return Admission(self._period)

    def succeeded(self, admission: Admission) -> None:
        """The endpoint answered."""
        with self._lock:
            if admission == self._period:
                self._failures = 0
                if self._state == "half-open":
                    self._change("closed")

    def failed(self, admission: Admission, problem: str) -> None:
        """The endpoint could not be reached, or did not do its work."""
        with self._lock:
            if admission != self._period:
                return
            self._failures += 1
            self._last_failure = problem
            if self._state == "half-open" or self._failures >= self._failures_to_open:
                self._may_try_at = self._clock() + self._open_seconds
                self._change("open")

    def released(self, admission: Admission) -> None:
        """The request was given up by its caller, and says nothing; after a probe the next request may try."""
        with self._lock:
            if admission == self._period and self._state == "half-open":
                self._change("open")

    def _change(self, state: CircuitState) -> None:
        """Enter a state, with the lock held."""
        _log.log(
            logging.WARNING if state == "open" else logging.INFO,
            "circuit of %s: %s -> %s (failures: %d, last: %s)",
            self.name,
            self._state,
            state,
            self._failures,
            self._last_failure,
        )
        self._state = state
        self._period += 1
