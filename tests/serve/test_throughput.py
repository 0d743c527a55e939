from __future__ import annotations

import pytest

from embed_plugin.encode.queue import BatchReport
from embed_plugin.serve.throughput import LEAST_BULK_SHARE, Throughput


def report(tokens: int, *, small: int = 0, seconds: float = 0.01) -> BatchReport:
    return BatchReport(texts=1, tokens=tokens, small_tokens=small, seconds=seconds, small_waits=(), large_waits=())


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_all_workers_count() -> None:
    throughput = Throughput(workers=4)
    for _ in range(20):
        throughput.add(report(200))
    assert throughput.tokens_per_second("bulk") == pytest.approx(4 * 200 / 0.01)
    assert throughput.tokens_per_second("interactive") == pytest.approx(4 * 200 / 0.01)


def test_what_queries_take_is_missing_to_bulk_until_they_stop() -> None:
    clock = Clock()
    throughput = Throughput(workers=1, clock=clock)
    for _ in range(2000):  # 10000 tokens a second, a quarter of them of queries
        clock.now += 0.04
        throughput.add(report(400, small=100, seconds=0.04))
    assert throughput.tokens_per_second("interactive") == pytest.approx(10_000)
    assert throughput.tokens_per_second("bulk") == pytest.approx(7_500, rel=0.01)
    clock.now += 60
    assert throughput.tokens_per_second("bulk") == pytest.approx(10_000, rel=0.01)


def test_bulk_has_its_share_however_many_queries_there_are() -> None:
    throughput = Throughput(workers=1, clock=Clock())
    for _ in range(1000):
        throughput.add(report(90, small=90))
    assert throughput.tokens_per_second("bulk") == pytest.approx(
        LEAST_BULK_SHARE * throughput.tokens_per_second("interactive")
    )


def test_a_change_is_seen_within_seconds() -> None:
    throughput = Throughput(workers=2)
    for _ in range(1000):
        throughput.add(report(1000, seconds=0.1))
    for _ in range(400):  # twenty seconds of two workers
        throughput.add(report(100, seconds=0.1))
    assert throughput.tokens_per_second("bulk") == pytest.approx(2 * 1000, rel=0.6)
    throughput.reset()
    assert throughput.tokens_per_second("bulk") == 1.0
