"""A circuit breaker: pauses an endpoint that keeps failing, and probes with one request before it resumes."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Literal, NewType, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

CircuitState: TypeAlias = Literal["closed", "open", "half-open"]

Permit = NewType("Permit", int)
"""Permission to send one request; it is returned with the outcome."""

_log = logging.getLogger("embed_plugin.client")


class CircuitBreaker:
    """The circuit breaker of one endpoint. Safe to use from any number of threads and tasks.

    ::

        closed --- failures in a row ---> open --- open_seconds later, for one request ---> half-open
           ^                                ^-------------- it failed -------------------------|
           `------------------------------------------------ it succeeded ---------------------'

    An outcome counts only in the state that admitted its request: requests that were in flight when the circuit opened
    neither extend the pause when they fail, nor close the circuit when they succeed.

    Args:
        name: The endpoint, for the log.
        failures_to_open: Consecutive failures that open it.
        open_seconds: How long it refuses requests before it admits a probe.
        clock: A monotonic clock in seconds.
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
        """``closed``: requests pass; ``open``: none passes; ``half-open``: one, the probe, is in flight."""
        return self._state

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until a request may be admitted; 0 where one may be now, or as soon as the probe ends."""
        return max(0.0, self._may_try_at - self._clock()) if self._state == "open" else 0.0

    @property
    def problem(self) -> str:
        """The reason why requests are refused, for an error message."""
        with self._lock:
            why = f"after {self._failures} failures in a row, the last: {self._last_failure}"
            return f"not asked, its circuit is {self._state} {why}"

    def admit(self) -> Permit | None:
        """Return a permit to send a request, or ``None``; return it with one of the other three methods."""
        with self._lock:
            if self._state == "open" and self._clock() >= self._may_try_at:
                self._change("half-open")
            elif self._state != "closed":
                return None
            return Permit(self._period)

    def succeeded(self, permit: Permit) -> None:
        """Report that the endpoint answered."""
        with self._lock:
            if permit == self._period:
                self._failures = 0
                if self._state == "half-open":
                    self._change("closed")

    def failed(self, permit: Permit, problem: str, *, level: int = logging.WARNING) -> None:
        """Report that the endpoint could not be reached, or failed.

        Args:
            permit: The request's.
            problem: For the log, and for the error of a request that is not admitted.
            level: At which the begin of an outage is logged; a probe that fails belongs to the outage.
        """
        with self._lock:
            if permit != self._period:
                return
            self._failures += 1
            self._last_failure = problem
            if self._state == "half-open" or self._failures >= self._failures_to_open:
                self._may_try_at = self._clock() + self._open_seconds
                self._change("open", logging.INFO if self._state == "half-open" else level)

    def released(self, permit: Permit) -> None:
        """Report that the caller cancelled the request; where it was the probe, the next request becomes the probe."""
        with self._lock:
            if permit == self._period and self._state == "half-open":
                self._change("open")

    def _change(self, state: CircuitState, level: int = logging.INFO) -> None:
        """Enter a state; the caller holds the lock."""
        _log.log(
            level,
            "circuit of %s: %s -> %s (failures: %d, last: %s)",
            self.name,
            self._state,
            state,
            self._failures,
            self._last_failure,
        )
        self._state = state
        self._period += 1
