"""Try a request again while a server may still answer: longer and longer waits, and never before it asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential, wait_random

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True)
class RetrySettings:
    """How long a request is tried again.

    Attributes:
        give_up_after_seconds: No wait that would end later is begun.
        first_wait_seconds: The first wait; each following one is twice as long, with jitter.
        longest_wait_seconds: Waits grow no longer than this, unless the server asks for more.
    """

    give_up_after_seconds: float = 300.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


class Retry:
    """Calls a request until it answers, fails for good, or has been tried for long enough.

    Args:
        settings: How long.
        is_transient: Whether an exception may not come again.
        retry_after: The seconds that the server asked for, in an exception; None where it did not.
        sleep: Waits; a test passes one that keeps a record.
    """

    def __init__(
        self,
        settings: RetrySettings,
        *,
        is_transient: Callable[[BaseException], bool],
        retry_after: Callable[[BaseException], float | None],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._is_transient = is_transient
        self._retry_after = retry_after
        self._sleep = sleep
        doubling = wait_exponential(multiplier=settings.first_wait_seconds, max=settings.longest_wait_seconds)
        self._backoff = doubling + wait_random(0, settings.first_wait_seconds)

    def call(self, request: Callable[[], T]) -> T:
        """The request's answer.

        Raises:
            Exception: what the request raised last; with a note of how often and how long it was tried, where that
                was more than once.
        """
        retrying = Retrying(
            sleep=self._wait_for,
            stop=stop_before_delay(self._settings.give_up_after_seconds),
            wait=self._wait,
            retry=retry_if_exception(self._is_transient),
            reraise=True,
        )
        started = time.monotonic()
        try:
            return retrying(request)
        except Exception as error:
            attempts = retrying.statistics.get("attempt_number", 1)
            if attempts > 1:
                error.add_note(f"tried {attempts} times in {time.monotonic() - started:.1f} s")
            raise

    def _wait_for(self, seconds: float) -> None:
        self._sleep(seconds)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = self._retry_after(error) if error else None
        return max(self._backoff(state), asked or 0.0)
