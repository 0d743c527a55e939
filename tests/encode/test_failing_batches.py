"""Errors in the queue reach the callers whose texts they concern, and leave no call waiting."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import VectorResult
from embed_plugin.encode.queue import BatchQueue, BatchReport, QueuedTokens
from embed_plugin.errors import EmbedPluginError, InvalidInputError, InvalidTextError
from encode.test_queue import Recorder, interrupt

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin import Vectors


@pytest.mark.parametrize("fault", ["_next_batch", "_forget_dropped"])
def test_a_failure_in_choosing_a_batch_reaches_the_callers(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Recorder().queue()
    with monkeypatch.context() as patch:
        patch.setattr(queue, fault, lambda: 1 / 0)
        futures = [queue.submit([[1, 2], [3]]), queue.submit([[1] * 600] * 2)]
        for future in futures:
            with pytest.raises(ZeroDivisionError):
                future.result(timeout=HANG_SECONDS)
    assert queue.submit([[3, 4], [5]]).result(timeout=HANG_SECONDS).tolist() == [[7.0], [5.0]]
    assert queue.queued_tokens == QueuedTokens(0, 0)


@pytest.mark.parametrize("error", [ValueError, SystemExit, MemoryError])
def test_an_observer_that_fails_once_leaves_nobody_waiting(error: type[BaseException]) -> None:
    def fail(_: object) -> None:
        queue.observer = None
        raise error

    queue = Recorder().queue()
    queue.observer = fail
    with pytest.raises(error):
        queue.submit([[1, 2], [3, 4], [5]]).result(timeout=HANG_SECONDS)
    assert queue.submit([[3, 4], [5]]).result(timeout=HANG_SECONDS).tolist() == [[7.0], [5.0]]


def test_a_callback_that_ends_its_thread_ends_no_worker() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue(token_budget=100)
    futures = [queue.submit([[1] * 9]), queue.submit([[2] * 4]), queue.submit([[3] * 4])]
    for future in futures:
        future.add_done_callback(lambda _: sys.exit())
    recorder.gate.set()
    assert [future.result(timeout=HANG_SECONDS).tolist() for future in futures] == [[[9.0]], [[8.0]], [[12.0]]]
    assert queue.submit([[3, 4]]).result(timeout=HANG_SECONDS).tolist() == [[7.0]]


def test_no_tokens_are_refused_with_the_index() -> None:
    queue = Recorder().queue()
    with pytest.raises(InvalidTextError, match="text 1: has no tokens"):
        queue.submit([[1], []])
    with pytest.raises(InvalidTextError, match="text 0: has no tokens"):
        queue.encode_one([])
    assert queue.submit([[3, 4], [5]]).result(timeout=HANG_SECONDS).tolist() == [[7.0], [5.0]]


def test_a_list_of_token_ids_that_changes_under_way_changes_nothing() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    queue = recorder.queue()
    queue.submit([[1] * 16])
    ids = [[2, 2], [3, 3]]
    future = queue.submit(ids)
    ids.clear()
    recorder.gate.set()
    assert future.result(timeout=HANG_SECONDS).tolist() == [[4.0], [6.0]]


def test_vectors_of_another_shape_are_an_error() -> None:
    queue = BatchQueue(
        lambda ids: np.ones((len(ids), 1), np.float32), output=VectorResult(3), workers=1, token_budget=16
    )
    with pytest.raises(EmbedPluginError, match=r"shape \(1, 1\), expected \(1, 3\)"):
        queue.submit([[1], [2]]).result(timeout=HANG_SECONDS)


def test_of_a_batch_that_the_model_refuses_only_the_text_it_refuses_fails() -> None:
    def run(ids: npt.NDArray[np.int64]) -> Vectors:
        if (ids > 99).any():
            raise InvalidInputError("the model does not take its tokens")
        return np.asarray(ids.sum(axis=1, keepdims=True), dtype=np.float32)

    def wait(_: BatchReport) -> None:
        gate.wait(10)

    gate, queue = threading.Event(), BatchQueue(run, output=VectorResult(1), workers=1, token_budget=100)
    queue.observer = wait
    queue.submit([[1] * 50])
    fine, failing = queue.submit([[1, 2], [3, 4]]), queue.submit([[5, 6], [100, 7], [8, 9]])
    gate.set()
    assert fine.result(timeout=HANG_SECONDS).tolist() == [[3.0], [7.0]]
    with pytest.raises(InvalidTextError, match="text 1: the model does not take its tokens"):
        failing.result(timeout=HANG_SECONDS)


@pytest.mark.parametrize("started", [0, 1])
def test_where_no_thread_can_be_started_the_caller_computes(started: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        if len(threads) == started:
            raise RuntimeError("can't start new thread")
        threads.append(thread)
        really_start(thread)

    threads: list[threading.Thread] = []
    really_start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    queue = Recorder().queue(workers=3)
    for _ in range(3):
        assert queue.submit([[1, 2], [3], [4] * 9]).result(timeout=HANG_SECONDS).tolist() == [[3.0], [3.0], [36.0]]
    assert queue.queued_tokens == QueuedTokens(0, 0)


def test_a_submit_that_ctrl_c_cut_off_is_computed_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    queue = recorder.queue()
    with monkeypatch.context() as patch:
        patch.setattr(queue._threads, "submit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            queue.submit([[1, 2]])
    assert queue.queued_tokens == QueuedTokens(0, 0)
    queue.submit([[3, 4, 5]]).result(timeout=HANG_SECONDS)
    assert recorder.shapes == [(1, 3)]


@pytest.mark.parametrize("tokens", [[[1, 2]], [[1, 2], [3]]])
def test_ctrl_c_in_a_call_that_computes_ends_that_call(
    tokens: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Recorder().queue()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: refuse_thread())
        patch.setattr(queue, "_run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            queue.encode_one(tokens[0]) if len(tokens) == 1 else queue.submit(tokens).result(timeout=HANG_SECONDS)
    assert (queue.encode_one([3, 4]).tolist(), queue._callers_running) == ([[7.0]], 0)
    assert queue.submit([[3, 4], [5]]).result(timeout=HANG_SECONDS).tolist() == [[7.0], [5.0]]


def refuse_thread() -> None:
    raise RuntimeError("can't start new thread")
