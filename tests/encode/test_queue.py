from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import VectorResult
from embed_plugin.encode.queue import (
    SMALL_BATCHES_IN_A_ROW,
    SMALL_JOB_TOKENS,
    BatchQueue,
    BatchReport,
    QueuedTokens,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin import Vectors


class Recorder:
    """A session that returns the sum of the ids and records the shapes of its batches."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.threads: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        self.gate.wait()
        self.shapes.append(input_ids.shape)
        self.threads.append(threading.get_ident())
        if (input_ids == -1).any():
            raise RuntimeError("the engine failed")
        return np.asarray(input_ids.sum(axis=1, keepdims=True), dtype=np.float32)

    def queue(self, *, workers: int = 1, token_budget: int = 16) -> BatchQueue:
        return BatchQueue(self.run, output=VectorResult(1), workers=workers, token_budget=token_budget)


texts = st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=20), max_size=30)


@given(jobs=st.lists(texts, max_size=5), workers=st.integers(1, 3), token_budget=st.integers(1, 60))
@settings(max_examples=60)
def test_every_row_comes_back_in_place(jobs: list[list[list[int]]], workers: int, token_budget: int) -> None:
    recorder = Recorder()
    queue = recorder.queue(workers=workers, token_budget=token_budget)
    futures = [queue.submit(job) for job in jobs]
    for job, future in zip(jobs, futures, strict=True):
        assert future.result(timeout=HANG_SECONDS)[:, 0].tolist() == [float(sum(ids)) for ids in job]
    assert all(n == 1 or n * length <= token_budget for n, length in recorder.shapes)
    assert sum(n for n, _ in recorder.shapes) == sum(map(len, jobs))


def test_callers_with_texts_of_equal_length_share_a_batch() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(token_budget=100)
    futures = [queue.submit([[1] * 9]), queue.submit([[1] * 5, [1] * 3]), queue.submit([[2] * 3, [2] * 5])]
    recorder.gate.set()
    for future in futures:
        future.result(timeout=HANG_SECONDS)
    assert sorted(recorder.shapes) == [(1, 9), (2, 3), (2, 5)]


def test_the_longest_text_of_a_job_runs_first() -> None:
    recorder = Recorder()
    recorder.queue().submit([[1] * 3, [1] * 12, [1] * 7]).result(timeout=HANG_SECONDS)
    assert [length for _, length in recorder.shapes] == [12, 7, 3]


def test_a_failure_reaches_its_callers_and_nobody_else() -> None:
    recorder = Recorder()
    queue = recorder.queue()
    failing, fine = queue.submit([[-1] * 4, [1] * 2]), queue.submit([[1] * 3])
    with pytest.raises(RuntimeError, match="the engine failed"):
        failing.result(timeout=HANG_SECONDS)
    assert fine.result(timeout=HANG_SECONDS).tolist() == [[3.0]]


def test_a_cancelled_job_costs_no_more_and_leaves_nothing() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    blocking, gone = queue.submit([[1] * 2]), queue.submit([[1] * 15] * 50)
    assert gone.cancel()
    recorder.gate.set()
    blocking.result(timeout=HANG_SECONDS)
    queue.submit([[1]]).result(timeout=HANG_SECONDS)
    assert (1, 15) not in recorder.shapes
    assert [dict(backlog.waiting) for backlog in (queue._small, queue._large)] == [{}, {}]
    with pytest.raises(CancelledError):
        gone.result()


def test_a_job_may_be_cancelled_by_a_thread_that_holds_the_lock() -> None:
    """The garbage collector, which may run anywhere, does so when it closes a forgotten stream of vectors."""

    def collect() -> None:
        with queue._lock:
            gone.cancel()

    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    gone = queue.submit([[1] * 15] * 50)
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()
    recorder.gate.set()
    assert queue.queued_tokens == QueuedTokens(0, 0)


def test_a_submit_that_ctrl_c_cut_off_costs_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Recorder().queue()
    with monkeypatch.context() as patch:
        patch.setattr(queue._threads, "submit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            queue.submit([[1, 2]])
    assert queue.submit([[3, 4]]).result(timeout=HANG_SECONDS).tolist() == [[7.0]]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_text_is_run_by_its_caller() -> None:
    recorder = Recorder()
    queue = recorder.queue()
    reports: list[BatchReport] = []
    queue.observer = reports.append
    assert queue.encode_one([1, 2, 3]).tolist() == [[6.0]]
    assert recorder.threads == [threading.get_ident()]
    assert [(each.texts, each.small_tokens, len(each.small_waits)) for each in reports] == [(1, 3, 1)]
    assert queue.submit([[1, 2], [3, 4]]).result(timeout=HANG_SECONDS).tolist() == [[3.0], [7.0]]
    assert recorder.threads.count(threading.get_ident()) == 1


@pytest.mark.parametrize(("tokens", "waits"), [(SMALL_JOB_TOKENS, False), (SMALL_JOB_TOKENS + 1, True)])
def test_one_short_text_is_run_beside_busy_workers_and_a_long_one_waits(tokens: int, *, waits: bool) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    bulk = queue.submit([[1] * 16])
    while queue._workers_running == 0:
        time.sleep(0.001)
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(queue.encode_one, [1] * tokens)
        while queue._callers_running == 0 and queue.queued_tokens.large == 0:
            time.sleep(0.001)
        recorder.gate.set()
        assert asked.result(timeout=HANG_SECONDS).tolist() == [[float(tokens)]]
        thread = caller.submit(threading.get_ident).result()
    bulk.result(timeout=HANG_SECONDS)
    assert (thread not in recorder.threads) == waits


def test_no_more_callers_than_workers_run_their_own_texts() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(workers=2, token_budget=5)
    callers = [threading.Thread(target=queue.encode_one, args=([1] * 5,)) for _ in range(12)]
    for caller in callers[:2]:
        caller.start()
    while queue._callers_running < 2:
        time.sleep(0.001)
    for caller in callers[2:]:
        caller.start()
    while queue._workers_running < 2 or queue.queued_tokens.small != 8 * 5:
        time.sleep(0.001)
    recorder.gate.set()
    for caller in callers:
        caller.join(HANG_SECONDS)
    visitors = {caller.ident for caller in callers}
    assert sum(thread in visitors for thread in recorder.threads) == 2
    assert (queue._callers_running, sum(n for n, _ in recorder.shapes)) == (0, 12)


def test_a_caller_that_failed_leaves_room_for_the_next() -> None:
    recorder = Recorder()
    queue = recorder.queue()
    with pytest.raises(RuntimeError, match="the engine failed"):
        queue.encode_one([-1])
    assert queue.encode_one([3, 4]).tolist() == [[7.0]]
    assert recorder.threads == [threading.get_ident()] * 2


def test_a_small_job_waits_for_the_running_batch_alone() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(token_budget=100)
    bulk = queue.submit([[1] * 50] * 100)
    query = queue.submit([[1] * 7])
    recorder.gate.set()
    assert query.result(timeout=HANG_SECONDS).tolist() == [[7.0]]
    bulk.result(timeout=HANG_SECONDS)
    assert recorder.shapes.index((1, 7)) <= 1


def test_small_jobs_do_not_starve_a_large_one() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(token_budget=100)
    bulk = queue.submit([[1] * 50] * 100)
    queries = [queue.submit([[1] * (n + 1)]) for n in range(40)]
    recorder.gate.set()
    for future in [*queries, bulk]:
        future.result(timeout=HANG_SECONDS)
    lengths = [length for _, length in recorder.shapes]
    last_query = max(place for place, length in enumerate(lengths) if length != 50)
    assert lengths[:last_query].count(50) >= 40 // SMALL_BATCHES_IN_A_ROW - 1
    assert lengths[last_query:].count(50) >= 40


def test_a_small_job_shares_the_batch_of_a_large_one() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(token_budget=100)
    futures = [queue.submit([[1] * 90]), queue.submit([[1] * 25] * 30), queue.submit([[1] * 25])]
    recorder.gate.set()
    for future in futures:
        future.result(timeout=HANG_SECONDS)
    assert recorder.shapes[1] == (4, 25)


def test_waiting_tokens_are_counted_by_backlog_and_fall_when_a_job_is_cancelled() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    blocking = queue.submit([[1] * 2])
    while queue.queued_tokens != QueuedTokens(0, 0):
        time.sleep(0.001)  # until the worker has taken it
    small, gone, bulk = queue.submit([[1] * 7]), queue.submit([[1] * 15] * 50), queue.submit([[1] * 9] * 100)
    assert queue.queued_tokens == QueuedTokens(small=7, large=750 + 900)
    gone.cancel()
    assert queue.queued_tokens == QueuedTokens(small=7, large=900)
    assert list(queue._large.waiting) == [9]
    recorder.gate.set()
    for future in (blocking, small, bulk):
        future.result(timeout=HANG_SECONDS)
    assert queue.queued_tokens == QueuedTokens(0, 0)


def test_a_failed_job_leaves_nothing_waiting() -> None:
    recorder = Recorder()
    queue = recorder.queue()
    with pytest.raises(RuntimeError):
        queue.submit([[-1] * 16, *[[1] * 9] * 100]).result(timeout=HANG_SECONDS)
    assert queue.queued_tokens == QueuedTokens(0, 0)


def test_a_part_of_a_large_job_waits_in_the_large_backlog() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    futures = [queue.submit([[1] * 16]), queue.submit([[1] * 3], is_part=True), queue.submit([[1] * 4])]
    recorder.gate.set()
    for future in futures:
        future.result(timeout=HANG_SECONDS)
    assert recorder.shapes == [(1, 16), (1, 4), (1, 3)]


def test_every_batch_is_reported() -> None:
    recorder = Recorder()
    queue = recorder.queue(token_budget=100)
    reports: list[BatchReport] = []
    queue.observer = reports.append
    recorder.gate.clear()
    futures = [queue.submit([[1] * 90]), queue.submit([[1] * 25] * 30), queue.submit([[1] * 25])]
    recorder.gate.set()
    for future in futures:
        future.result(timeout=HANG_SECONDS)
    assert [(each.texts, each.tokens, each.small_tokens) for each in reports[:3]] == [
        (1, 90, 90),
        (4, 100, 25),
        (4, 100, 0),
    ]
    assert sum(each.tokens for each in reports) == 90 + 31 * 25
    assert [len(each.small_waits) for each in reports[:3]] == [1, 1, 0]
    assert sum(len(each.large_waits) for each in reports) == 1
    assert all(each.seconds > 0 for each in reports)


def test_a_finished_job_is_freed_without_the_garbage_collector() -> None:
    queue = Recorder().queue()
    future = queue.submit([[1] * 5] * 10)
    future.result(timeout=HANG_SECONDS)
    rows = weakref.ref(future.result())
    gc.disable()
    try:
        del future
        while rows() is not None:
            time.sleep(0.001)  # the worker lets go of its last batch in its own time
    finally:
        gc.enable()
