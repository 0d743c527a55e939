from __future__ import annotations

import pytest

from embed_plugin.encode.queue import BatchReport, QueuedTokens
from embed_plugin.serve.admission import LEAST_BULK_TOKENS, RETRY_BACKLOG_CAP_SECONDS, Admission
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.throughput import Throughput


def admission(*, small: int = 0, large: int = 0, limit: int | None = 1000, rate: int = 100) -> Admission:
    throughput = Throughput(workers=1)
    throughput.add(BatchReport(texts=1, tokens=rate, small_tokens=0, seconds=1.0, small_waits=(), large_waits=()))
    return Admission(lambda: QueuedTokens(small, large), throughput, limit=limit, clock=lambda: 50.0)


def test_a_request_larger_than_the_limit_has_its_turn() -> None:
    with admission(large=999).reserve("bulk", 10_000):
        pass


def test_a_full_lane_says_when_there_is_room() -> None:
    with (
        pytest.raises(RequestError, match="1750 tokens wait in the bulk lane") as caught,
        admission(large=1750).reserve("bulk", 1),
    ):
        pass
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 8)  # 751 tokens at 100 a second


def test_those_who_are_refused_together_are_told_to_come_one_after_the_other() -> None:
    lanes = admission(large=1100)  # room in 1.01 s, at 100 tokens a second
    told = []
    for _ in range(5):
        with pytest.raises(RequestError) as caught, lanes.reserve("bulk", 150):
            pass
        told.append(caught.value.retry_after)
    assert told == [2, 3, 5, 6, 8]
    for _ in range(50):
        with pytest.raises(RequestError) as caught, lanes.reserve("bulk", 150):
            pass
    assert caught.value.retry_after == RETRY_BACKLOG_CAP_SECONDS


def test_a_full_bulk_lane_does_not_refuse_a_query() -> None:
    with admission(large=5000).reserve("interactive", 12):
        pass
    with pytest.raises(RequestError, match="interactive lane"), admission(small=100).reserve("interactive", 12):
        pass


def test_what_is_being_tokenised_counts() -> None:
    lanes = admission()
    with lanes.reserve("bulk", 1000):
        assert lanes.waiting("bulk") == 1000
        with pytest.raises(RequestError), lanes.reserve("bulk", 1):
            pass
    assert lanes.waiting("bulk") == 0


def test_without_a_limit_ten_seconds_of_work_may_wait() -> None:
    lanes = admission(limit=None, rate=50_000)
    assert (lanes.limit("bulk"), lanes.limit("interactive")) == (500_000, 50_000)
    assert admission(limit=77, rate=50_000).limit("bulk") == 77


@pytest.mark.parametrize("rate", [1, 1500])
def test_sixty_queries_may_wait_however_slow_the_machine_is(rate: int) -> None:
    with admission(small=60 * 20, limit=None, rate=rate).reserve("interactive", 20):
        pass
    with (
        pytest.raises(RequestError),
        admission(small=LEAST_BULK_TOKENS // 10, limit=None, rate=rate).reserve("interactive", 20),
    ):
        pass


def test_what_queries_take_of_the_speed_leaves_the_limits() -> None:
    throughput = Throughput(workers=1, clock=lambda: 0.0)
    for _ in range(10):
        throughput.add(BatchReport(1, 50_000, 50_000, 1.0, (), ()))
    lanes = Admission(lambda: QueuedTokens(0, 0), throughput, limit=None)
    assert throughput.tokens_per_second("bulk") < 10_000
    assert lanes.limit("bulk") == pytest.approx(500_000, abs=1)
