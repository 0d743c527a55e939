"""Retries one request: every endpoint in order, again after a wait, until one succeeds or the deadline passes.

The loop is here, and it retries exactly what raises :class:`~embed_plugin.errors.EndpointUnavailableError`. One attempt
is ``Connection.send`` in ``connection.py``, which raises that error where the endpoint cannot be reached, is too slow
or has an open circuit. The HTTP statuses that are retried are ``RETRYABLE_STATUSES`` in ``response_errors.py``.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from tenacity import AsyncRetrying, RetryCallState, RetryError, retry_if_exception_type, wait_random_exponential

from embed_plugin.errors import EndpointError, EndpointUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from embed_plugin.client.connection import Connection
    from embed_plugin.client.settings import ClientSettings

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
"""Exponential backoff with full jitter: a wait is random between zero and a bound that doubles from the first wait to
the longest."""

_log = logging.getLogger("embed_plugin.client")


class Retry:
    """The retries of one request, in rounds over its connections.

    An endpoint that is unavailable is tried again in the next round, not before its Retry-After; one that fails for
    another reason is dropped. An error in the texts ends the request at once: no other endpoint would accept them.

    Args:
        connections: The endpoints in order of preference, at least one.
        settings: The deadline, and the time limit of an attempt.
        wait_for_circuit: Retry an endpoint whose circuit is open; otherwise it is dropped.
    """

    def __init__(
        self, connections: Sequence[Connection], settings: ClientSettings, *, wait_for_circuit: bool = True
    ) -> None:
        self._connections = connections
        self._settings = settings
        self._wait_for_circuit = wait_for_circuit
        self._begun_at = time.monotonic()
        self._ends_at = self._begun_at + settings.deadline_seconds
        self._not_before = dict.fromkeys(connections, 0.0)
        self._problems: dict[Connection, EndpointError] = {}
        self._backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

    async def run(self, attempt: Callable[[Connection, float], Awaitable[T]]) -> T:
        """Call ``attempt(connection, seconds)`` until one call succeeds, and return its result.

        Raises:
            EndpointUnavailableError: no endpoint succeeded before the deadline, or can before it passes.
            EndpointError: every endpoint failed for a reason that waiting does not remove.
            InvalidInputError: the request cannot be served by any endpoint.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_RoundFailedError),
            wait=self._seconds_to_wait,
            stop=self._is_too_late,
            before_sleep=self._log_wait,
        )
        try:
            return await retrying(self._round, attempt)
        except RetryError as error:
            rounds = error.last_attempt.attempt_number
            raise merge_errors(self._errors, f" (asked {rounds} times within the {self._limit()})") from None

    async def _round(self, attempt: Callable[[Connection, float], Awaitable[T]]) -> T:
        now = time.monotonic()
        for connection in [each for each, not_before in self._not_before.items() if not_before <= now]:
            seconds = min(self._settings.attempt_seconds, self._ends_at - time.monotonic())
            if seconds <= 0:
                break
            try:
                return await attempt(connection, seconds)
            except EndpointUnavailableError as error:
                self._problems[connection] = error
                self._not_before[connection] = time.monotonic() + (error.retry_after or 0.0)
                if connection.circuit.state == "open" and not self._wait_for_circuit:
                    del self._not_before[connection]
            except EndpointError as error:
                connection.log_once(error)
                self._problems[connection] = error
                del self._not_before[connection]
        if not self._not_before:
            raise merge_errors(self._errors)
        raise _RoundFailedError

    def _seconds_to_wait(self, state: RetryCallState) -> float:
        """Wait for the earliest Retry-After, and add jitter, so that clients do not retry all at once."""
        return max(0.0, min(self._not_before.values()) - time.monotonic()) + self._backoff(state)

    def _is_too_late(self, state: RetryCallState) -> bool:
        seconds = self._settings.deadline_seconds
        if not self._is_reached:
            seconds = min(seconds, self._settings.first_contact_seconds)
        return time.monotonic() + state.upcoming_sleep >= self._begun_at + seconds

    def _limit(self) -> str:
        settings = self._settings
        if self._is_reached or settings.first_contact_seconds >= settings.deadline_seconds:
            return f"deadline of {settings.deadline_seconds:g} s"
        seconds = f"{settings.first_contact_seconds:g} s of first_contact_seconds, and never reached"
        return f"{seconds}: is the service started, and the URL right?"

    @property
    def _is_reached(self) -> bool:
        return any(connection.reached for connection in self._connections)

    def _log_wait(self, state: RetryCallState) -> None:
        _log.info("%s; asked again in %.2f s", merge_errors(self._errors), state.upcoming_sleep)

    @property
    def _errors(self) -> list[EndpointError]:
        """The last error of each endpoint, in their order."""
        return [self._problems[connection] for connection in self._connections if connection in self._problems]


def merge_errors(errors: Sequence[EndpointError], more: str = "") -> EndpointError:
    """Merge the endpoints' errors; retryable if any of them is."""
    first, *others = errors
    problem = "; ".join([first.problem, *map(str, others)]) + more
    unavailable = [error for error in errors if isinstance(error, EndpointUnavailableError)]
    if unavailable:
        return EndpointUnavailableError(first.endpoint, problem, unavailable[0].retry_after)
    return type(first)(first.endpoint, problem)


class _RoundFailedError(Exception):
    """Internal to the loop: no endpoint succeeded in this round, and one may in the next. tenacity catches it."""
