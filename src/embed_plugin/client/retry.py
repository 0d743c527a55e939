"""One request's way: every endpoint in turn, and again after a wait, until one answers or the deadline comes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from tenacity import AsyncRetrying, RetryCallState, RetryError, retry_if_exception_type, wait_random_exponential

from embed_plugin.errors import EndpointError, EndpointUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from embed_plugin.client.connection import Line
    from embed_plugin.client.settings import ClientSettings

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
"""A wait is drawn at random from zero to a bound that doubles from the first to the longest."""

_log = logging.getLogger("embed_plugin.client")


class Route:
    """Asks the lines for one request, in their order.

    A line that is unavailable is asked again in the next round, not before it wanted to be; one that refuses for
    another reason is left out. What is wrong with the texts ends the way at once: no other line would take them.

    Args:
        lines: At least one.
        settings: The deadline, and the limit of an attempt.
        wait_for_open: Whether a line whose circuit is open is worth waiting for.
    """

    def __init__(self, lines: Sequence[Line], settings: ClientSettings, *, wait_for_open: bool = True) -> None:
        self._lines = lines
        self._settings = settings
        self._wait_for_open = wait_for_open
        self._ends_at = time.monotonic() + settings.deadline_seconds
        self._not_before = dict.fromkeys(lines, 0.0)
        self._problems: dict[Line, EndpointError] = {}
        self._backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

    async def ask(self, attempt: Callable[[Line, float], Awaitable[T]]) -> T:
        """Make attempts, each on a line and within so many seconds, and return what the first success returns.

        Raises:
            EndpointUnavailableError: no endpoint answered before the deadline, or can before it comes.
            EndpointError: every endpoint refuses.
            InvalidInputError: what was asked can be answered by none.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_NobodyAnsweredError),
            wait=self._seconds_to_wait,
            stop=self._is_too_late,
            before_sleep=self._tell,
        )
        try:
            return await retrying(self._round, attempt)
        except RetryError as error:
            rounds = error.last_attempt.attempt_number
            why = f" (asked {rounds} times within the deadline of {self._settings.deadline_seconds:g} s)"
            raise joined(self._errors, why) from None

    async def _round(self, attempt: Callable[[Line, float], Awaitable[T]]) -> T:
        for line in [line for line in self._not_before if self._not_before[line] <= time.monotonic()]:
            seconds = min(self._settings.attempt_seconds, self._ends_at - time.monotonic())
            if seconds <= 0:
                break
            try:
                return await attempt(line, seconds)
            except EndpointUnavailableError as error:
                self._problems[line] = error
                self._not_before[line] = time.monotonic() + (error.retry_after or 0.0)
                if line.circuit.state == "open" and not self._wait_for_open:
                    del self._not_before[line]
            except EndpointError as error:
                line.complain(error)
                self._problems[line] = error
                del self._not_before[line]
        if not self._not_before:
            raise joined(self._errors)
        raise _NobodyAnsweredError

    def _seconds_to_wait(self, state: RetryCallState) -> float:
        """What the endpoint that is ready first asked for, and a random time more: callers should not come as one."""
        return max(0.0, min(self._not_before.values()) - time.monotonic()) + self._backoff(state)

    def _is_too_late(self, state: RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep >= self._ends_at

    def _tell(self, state: RetryCallState) -> None:
        _log.info("%s; asked again in %.2f s", joined(self._errors), state.upcoming_sleep)

    @property
    def _errors(self) -> list[EndpointError]:
        """The last error of each line, in their order."""
        return [self._problems[line] for line in self._lines if line in self._problems]


def joined(errors: Sequence[EndpointError], more: str = "") -> EndpointError:
    """One error that says what all of them say; unavailable where one of them is, for asking again may help then."""
    first, *others = errors
    problem = "; ".join([first.problem, *map(str, others)]) + more
    unavailable = [error for error in errors if isinstance(error, EndpointUnavailableError)]
    if unavailable:
        return EndpointUnavailableError(first.endpoint, problem, unavailable[0].retry_after)
    return type(first)(first.endpoint, problem)


class _NobodyAnsweredError(Exception):
    """A round is over, and an endpoint may answer in the next one."""
