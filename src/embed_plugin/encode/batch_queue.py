"""Texts waiting to be encoded, handed to the workers as batches of equal length.

Idea 1 of the design: a batch holds texts with the same token count, so there is no padding and no mask. Every caller
puts its texts here - threads, tasks of an event loop, requests of a service - and texts of equal length run together
whoever sent them. The oldest job goes first, its longest texts before its short ones, so that the workers finish
together. Small jobs have a lane of their own: a query that comes while a million documents are encoded waits for the
batches that are running, and for no others.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from embed_plugin.contracts import Vectors

    Run = Callable[[npt.NDArray[np.int64]], Vectors]


SMALL_JOB_TOKENS = 512
"""A job of at most so many tokens goes before larger ones: a query, or a page."""

SMALL_BATCHES_IN_A_ROW = 8
"""After so many batches of small jobs a larger job that waits has its turn, so that small ones cannot starve it."""


class _Job:
    """The texts of one call: their token ids, their rows, and what is still to do."""

    def __init__(self, token_ids: Sequence[Sequence[int]], dimension: int) -> None:
        self.token_ids = token_ids
        self.vectors: Vectors = np.empty((len(token_ids), dimension), dtype=np.float32)
        self.unfinished = len(token_ids)
        self.is_small = sum(map(len, token_ids)) <= SMALL_JOB_TOKENS
        self.lengths = sorted({len(ids) for ids in token_ids})  # the longest is popped first
        self.future: Future[Vectors] = Future()

    def finish(self, error: BaseException | None = None) -> None:
        """Give the caller its vectors, or an error; a caller that has gone away gets neither."""
        try:
            if error is None:
                self.future.set_result(self.vectors)
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            return  # cancelled, or failed already by another batch


_Batch = list[tuple[_Job, int]]


class _Lane:
    """Jobs, oldest first, and their waiting texts by length."""

    def __init__(self) -> None:
        self.jobs: deque[_Job] = deque()
        self.waiting: defaultdict[int, deque[tuple[_Job, int]]] = defaultdict(deque)

    def add(self, job: _Job) -> None:
        """Let a job's texts wait."""
        for row, ids in enumerate(job.token_ids):
            self.waiting[len(ids)].append((job, row))
        self.jobs.append(job)

    def next_batch(self, most: Callable[[int], int]) -> _Batch:
        """The oldest job's longest waiting texts, filled up with other jobs' texts of that length; or none."""
        while self.jobs:
            job = self.jobs[0]
            while job.lengths and not job.future.done():
                length = job.lengths[-1]
                if batch := self.take(length, most(length)):
                    return batch
                job.lengths.pop()
            self.jobs.popleft()
            self._forget(job)
        return []

    def take(self, length: int, most: int) -> _Batch:
        """Take at most so many waiting texts of one length, passing over those nobody waits for."""
        waiting, batch = self.waiting[length], _Batch()
        while waiting and len(batch) < most:
            job, row = waiting.popleft()
            if not job.future.done():
                batch.append((job, row))
        if not waiting:
            del self.waiting[length]
        return batch

    def _forget(self, job: _Job) -> None:
        """Drop what a cancelled or failed job left waiting."""
        for length in job.lengths:
            kept = deque(entry for entry in self.waiting.pop(length, ()) if entry[0] is not job)
            if kept:
                self.waiting[length] = kept


class BatchQueue:
    """Runs submitted texts on ``workers`` threads, in batches of equal length and at most ``token_budget`` tokens."""

    def __init__(self, run: Run, *, dimension: int, workers: int, token_budget: int) -> None:
        self._run = run
        self._dimension = dimension
        self._workers = workers
        self._token_budget = token_budget
        self._lock = threading.Lock()
        self._small, self._large = _Lane(), _Lane()
        self._small_in_a_row = 0
        self._working = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="embed-plugin")

    def submit(self, token_ids: Sequence[Sequence[int]]) -> Future[Vectors]:
        """Queue texts; the future gives ``(n, dimension)`` in their order. Cancelling it drops what has not begun."""
        job = _Job(token_ids, self._dimension)
        if not token_ids:
            job.finish()
            return job.future
        with self._lock:
            (self._small if job.is_small else self._large).add(job)
            starting = min(self._workers - self._working, len(token_ids))
            self._working += starting
        for _ in range(starting):
            self._threads.submit(self._work)
        return job.future

    def _work(self) -> None:
        """Run batches until none is left."""
        while True:
            with self._lock:
                batch = self._next_batch()
                if not batch:
                    self._working -= 1
                    return
            try:
                self._run_batch(batch)
            except BaseException as error:  # noqa: BLE001 - whatever it was, it belongs to the callers
                for job, _ in batch:
                    job.finish(error)

    def _run_batch(self, batch: _Batch) -> None:
        vectors = self._run(np.array([job.token_ids[row] for job, row in batch], dtype=np.int64))
        for (job, row), vector in zip(batch, vectors, strict=True):
            job.vectors[row] = vector
        with self._lock:
            for job, _ in batch:
                job.unfinished -= 1
        for job in dict.fromkeys(job for job, _ in batch):
            if job.unfinished == 0:
                job.finish()

    def _next_batch(self) -> _Batch:
        """A batch of the lane whose turn it is, filled up with texts of that length from the other."""
        lanes = [self._small, self._large]
        if self._small_in_a_row >= SMALL_BATCHES_IN_A_ROW:
            lanes.reverse()
        for lane, other in (lanes, lanes[::-1]):
            if batch := lane.next_batch(self._most_texts):
                self._small_in_a_row = self._small_in_a_row + 1 if lane is self._small else 0
                length = _length(batch[0])
                return batch + other.take(length, self._most_texts(length) - len(batch))
        return []

    def _most_texts(self, length: int) -> int:
        """Texts of one length that a batch may hold; a text beyond the budget runs alone."""
        return max(1, self._token_budget // length)


def _length(entry: tuple[_Job, int]) -> int:
    job, row = entry
    return len(job.token_ids[row])
