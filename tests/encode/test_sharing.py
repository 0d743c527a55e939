"""How the queue shares work out: several cores for a lone batch, small last batches, and unequal cores."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import VectorResult
from embed_plugin.encode.queue import LEAST_BATCH_TOKENS, BatchQueue
from embed_plugin.encode.wide import WideRuns

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin import Vectors

BUDGET = 256


class Sessions:
    """A narrow session whose runs wait at a gate for length 7, and wide runs, which are counted apart."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.shapes: list[tuple[int, ...]] = []
        self.waiting, self.gate = threading.Event(), threading.Event()

    def narrow(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        if input_ids.shape[1] == 7:
            self.waiting.set()
            assert self.gate.wait(HANG_SECONDS)
        self.ran["narrow"] += 1
        self.shapes.append(input_ids.shape)
        return np.zeros((len(input_ids), 1), np.float32)

    def queue(self, workers: int, *, most_at_once: int = 1) -> BatchQueue:
        wide = WideRuns(self.narrow, lambda: self.narrow, most_at_once=most_at_once, opening_seconds=1e9)
        wide.run = self.wide  # type: ignore[method-assign]  # the choice between both is not what is tested here
        return BatchQueue(self.narrow, output=VectorResult(1), workers=workers, token_budget=BUDGET, wide=wide)

    def wide(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        self.ran["wide"] += 1
        return np.zeros((len(input_ids), 1), np.float32)


def test_a_batch_that_is_alone_has_several_cores() -> None:
    sessions = Sessions()
    queue = sessions.queue(2)
    queue.encode_one([1, 2])
    queue.submit([[1, 2], [3, 4]]).result(timeout=HANG_SECONDS)
    assert sessions.ran == {"wide": 2}


def test_beside_a_batch_that_runs_a_text_has_one_core() -> None:
    sessions = Sessions()
    queue = sessions.queue(2, most_at_once=0)
    running = queue.submit([[1] * 7])
    assert sessions.waiting.wait(HANG_SECONDS)
    queue.encode_one([1, 2])
    sessions.gate.set()
    running.result(timeout=HANG_SECONDS)
    assert sessions.ran == {"narrow": 2}


@pytest.mark.parametrize(("most_at_once", "kind"), [(1, "narrow"), (2, "wide")])
def test_where_cores_are_left_for_it_a_second_batch_has_several_too(most_at_once: int, kind: str) -> None:
    sessions = Sessions()
    queue = sessions.queue(4, most_at_once=most_at_once)
    sessions.wide, wide = sessions.narrow, sessions.wide  # type: ignore[method-assign]  # the first waits at the gate
    queue._wide.run = sessions.narrow  # type: ignore[method-assign, union-attr]  # as above
    running = queue.submit([[1] * 7])
    assert sessions.waiting.wait(HANG_SECONDS)
    queue._wide.run = wide  # type: ignore[method-assign, union-attr]  # as above
    queue.encode_one([1, 2])
    assert sessions.ran == {kind: 1}
    sessions.gate.set()
    running.result(timeout=HANG_SECONDS)


def test_while_texts_wait_a_batch_has_one_core() -> None:
    sessions = Sessions()
    queue = sessions.queue(1, most_at_once=9)
    queue.submit([[1] * 300, *[[1] * 7] * 2, *[[1] * 3] * 200])
    queue.encode_one([1, 2])
    sessions.gate.set()
    queue.submit([[1] * 2]).result(timeout=HANG_SECONDS)
    assert sessions.ran["narrow"] >= 3


def test_a_batch_that_fails_is_not_counted_as_running() -> None:
    sessions = Sessions()
    queue = sessions.queue(2)

    def fail(_: npt.NDArray[np.int64]) -> Vectors:
        raise ValueError("the engine failed")

    queue._wide.run = fail  # type: ignore[method-assign, union-attr]  # an engine's fault cannot be asked for
    for _ in range(3):
        with pytest.raises(ValueError, match="the engine failed"):
            queue.encode_one([1, 2])
    assert queue._batches_running == 0


def test_few_texts_are_spread_over_the_workers_but_not_in_crumbs() -> None:
    sessions = Sessions()
    sessions.gate.set()
    queue = BatchQueue(sessions.narrow, output=VectorResult(1), workers=4, token_budget=BUDGET)
    queue.submit([[1] * 32] * 16).result(timeout=HANG_SECONDS)
    assert sessions.shapes == [(LEAST_BATCH_TOKENS // 32, 32)] * 8


class UnequalCores:
    """A session whose time is simulated: every second thread takes three times as long for a token.

    A run ends when no other thread has run for less time, so that batches are taken in the order of simulated time.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.clocks: dict[int, int] = {}
        self.factors: dict[int, int] = {}
        self.changed = threading.Condition()
        self.queue = BatchQueue(self.run, output=VectorResult(1), workers=workers, token_budget=BUDGET)

    def run(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        with self.changed:
            me = threading.get_ident()
            factor = self.factors.setdefault(me, 1 if len(self.factors) % 2 else 3)
            self.clocks[me] = self.clocks.get(me, 0) + factor * input_ids.size
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.is_next(me), HANG_SECONDS)
        return np.zeros((len(input_ids), 1), np.float32)

    def is_next(self, me: int) -> bool:
        """The queue is empty, so that the order is of no matter, or all have begun and this thread's time is least."""
        waiting = self.queue.queued_tokens
        if waiting.small + waiting.large == 0:
            return True
        return len(self.clocks) == self.workers and self.clocks[me] == min(self.clocks.values())

    def efficiency(self, texts: list[list[int]]) -> float:
        """The tokens per time of all threads together, over the sum of what each does alone."""
        self.queue.submit(texts).result(timeout=HANG_SECONDS)
        alone = sum(1 / factor for factor in self.factors.values())
        return sum(map(len, texts)) / max(self.clocks.values()) / alone


@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize(("shortest", "longest"), [(5, 40), (5, 256), (12, 12)])
def test_half_of_the_cores_at_a_third_of_the_speed(workers: int, shortest: int, longest: int) -> None:
    lengths = np.random.default_rng(workers).integers(shortest, longest + 1, 150 * workers)
    cores = UnequalCores(workers)
    assert cores.efficiency([[1] * int(length) for length in lengths]) >= 0.9
    assert sorted(cores.factors.values()) == [1] * (workers // 2) + [3] * (workers // 2)
