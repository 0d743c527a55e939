from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from embed_plugin.client.circuit_breaker import CircuitBreaker, Permit

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("http://there", failures_to_open=3, open_seconds=5, clock=clock)


def admitted(breaker: CircuitBreaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def fail(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        breaker.failed(admitted(breaker), "refused")


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded(admitted(breaker))
    fail(breaker, 2)
    assert state_of(breaker) == "closed"
    fail(breaker, 1)
    assert state_of(breaker) == "open"
    assert breaker.admit() is None
    assert breaker.problem == "not asked, its circuit is open after 3 failures in a row, the last: refused"


def test_an_open_one_admits_one_probe_when_its_time_is_over(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 4
    assert (breaker.admit(), breaker.seconds_to_wait) == (None, 1)
    clock.now += 1
    admitted(breaker)
    assert state_of(breaker) == "half-open"
    assert breaker.admit() is None


def test_a_probe_that_succeeds_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 5
    breaker.succeeded(admitted(breaker))
    assert state_of(breaker) == "closed"
    fail(breaker, 2)
    assert state_of(breaker) == "closed"


def test_a_probe_that_fails_opens_it_for_as_long_again(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 5
    fail(breaker, 1)
    assert (state_of(breaker), breaker.seconds_to_wait, breaker.admit()) == ("open", 5, None)


def test_after_a_probe_that_was_given_up_the_next_request_may_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 5
    breaker.released(admitted(breaker))
    assert state_of(breaker) == "open"
    breaker.succeeded(admitted(breaker))
    assert state_of(breaker) == "closed"


@pytest.mark.parametrize(
    "late", [CircuitBreaker.succeeded, lambda breaker, old: breaker.failed(old, "late"), CircuitBreaker.released]
)
def test_requests_from_before_say_nothing_about_the_probe(
    breaker: CircuitBreaker, clock: Clock, late: Callable[[CircuitBreaker, Permit], None]
) -> None:
    old = admitted(breaker)
    fail(breaker)
    clock.now += 5
    probe = admitted(breaker)
    late(breaker, old)
    assert state_of(breaker) == "half-open"
    breaker.succeeded(probe)
    assert state_of(breaker) == "closed"


def test_of_many_threads_one_gets_the_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 5
    together = threading.Barrier(16)
    admissions: list[Permit | None] = []

    def ask() -> None:
        together.wait()
        admissions.append(breaker.admit())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(permit is not None for permit in admissions) == 1


def test_every_change_is_logged(breaker: CircuitBreaker, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "embed_plugin.client"):
        fail(breaker)
        clock.now += 5
        breaker.failed(admitted(breaker), "refused")
        clock.now += 5
        breaker.succeeded(admitted(breaker))
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "circuit of http://there: closed -> open (failures: 3, last: refused)"),
        ("INFO", "circuit of http://there: open -> half-open (failures: 3, last: refused)"),
        ("INFO", "circuit of http://there: half-open -> open (failures: 4, last: refused)"),
        ("INFO", "circuit of http://there: open -> half-open (failures: 4, last: refused)"),
        ("INFO", "circuit of http://there: half-open -> closed (failures: 0, last: refused)"),
    ]
