from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import VectorResult
from embed_plugin.encode.queue import BatchQueue
from embed_plugin.encode.turns import URGENT_IN_A_ROW, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

SMALL, LARGE = [[1] * 5], [[1] * 200] * 40


class SharedModels:
    """Queues named a, b, ... that take turns. Their runs are noted, and wait while the gate is closed."""

    def __init__(self, names: str, *, workers: int) -> None:
        self.turns = Turns(workers)
        self.gate = threading.Event()
        self.ran: list[tuple[str, int]] = []
        self.running = self.most_running = 0
        self._lock = threading.Lock()
        self.queues = {name: self._queue(name, workers) for name in names}

    def _queue(self, name: str, workers: int) -> BatchQueue:
        def run(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            with self._lock:
                self.ran.append((name, ids.shape[1]))
                self.running += 1
                self.most_running = max(self.most_running, self.running)
            assert self.gate.wait(HANG_SECONDS)
            with self._lock:
                self.running -= 1
            return np.ones((len(ids), 1), np.float32)

        queue = BatchQueue(run, output=VectorResult(1), workers=workers, token_budget=200)
        queue.turns = self.turns
        return queue

    def hold(self, name: str, jobs: int = 1) -> None:
        """Fill a queue with large jobs, the first batch of which has begun."""
        for _ in range(jobs):
            self.queues[name].submit(LARGE)
        wait_for(lambda: bool(self.ran))


def wait_for(condition: Callable[[], bool]) -> None:
    end = threading.Event()
    for _ in range(int(HANG_SECONDS / 0.005)):
        if condition():
            return
        end.wait(0.005)
    raise AssertionError("it did not come")


@pytest.fixture
def opened() -> Iterator[list[SharedModels]]:
    made: list[SharedModels] = []
    yield made
    for each in made:
        each.gate.set()


def test_no_more_batches_run_at_once_than_there_are_workers(opened: list[SharedModels]) -> None:
    shared = SharedModels("abc", workers=2)
    opened.append(shared)
    futures = [shared.queues[name].submit(LARGE) for name in "abc" for _ in range(2)]
    wait_for(lambda: shared.running == 2 and shared.turns.waiting == 4)
    shared.gate.set()
    for future in futures:
        np.testing.assert_array_equal(future.result(HANG_SECONDS), np.ones((40, 1)))
    assert shared.most_running == 2
    wait_for(lambda: shared.turns.running == 0)


def test_two_busy_models_take_turns(opened: list[SharedModels]) -> None:
    shared = SharedModels("ab", workers=1)
    opened.append(shared)
    shared.hold("a")
    other = shared.queues["b"].submit(LARGE)
    wait_for(lambda: shared.turns.waiting == 1)
    shared.gate.set()
    other.result(HANG_SECONDS)
    assert [name for name, _ in shared.ran[:20]] == ["a", "b"] * 10


def test_a_query_of_one_model_goes_before_the_bulk_of_the_others(opened: list[SharedModels]) -> None:
    shared = SharedModels("abc", workers=1)
    opened.append(shared)
    shared.hold("a")
    shared.queues["b"].submit(LARGE)
    wait_for(lambda: shared.turns.waiting == 1)
    query = shared.queues["c"].submit(SMALL)
    wait_for(lambda: shared.turns.waiting == 2)
    shared.gate.set()
    query.result(HANG_SECONDS)
    assert shared.ran[1] == ("c", 5)


def test_queries_go_on_before_the_bulk_of_others_and_do_not_starve_it(opened: list[SharedModels]) -> None:
    shared = SharedModels("abc", workers=1)
    opened.append(shared)
    shared.hold("a")
    shared.queues["b"].submit(LARGE)
    wait_for(lambda: shared.turns.waiting == 1)
    for length in range(1, 40):
        shared.queues["c"].submit([[1] * length])
    wait_for(lambda: shared.turns.waiting == 2)
    shared.gate.set()
    wait_for(lambda: sum(name == "c" for name, _ in shared.ran) == 39)
    names = "".join(name for name, _ in shared.ran)
    assert names.startswith("a" + "c" * URGENT_IN_A_ROW + "b" + "c" * URGENT_IN_A_ROW + "a")


def test_turns_are_all_free_at_the_end(opened: list[SharedModels]) -> None:
    shared = SharedModels("ab", workers=2)
    opened.append(shared)
    shared.gate.set()
    for _ in range(20):
        futures = [shared.queues[name].submit(SMALL) for name in "abab"]
        assert [future.result(HANG_SECONDS).shape for future in futures] == [(1, 1)] * 4
    wait_for(lambda: (shared.turns.running, shared.turns.waiting) == (0, 0))
