"""Texts waiting to be encoded, handed to the workers as batches of equal length.

Idea 1 of the design: a batch holds texts with the same token count, so there is no padding and no mask. Every caller
puts its texts here - threads, tasks of an event loop, requests of a service - and texts of equal length run together
whoever sent them. The oldest job goes first, its longest texts before its short ones, so that the workers finish
together. Small jobs have a lane of their own: a query that comes while a million documents are encoded waits for the
batches that are running, and for no others. Where its caller can do nothing but wait, it does not wait even for those:
the caller's thread runs it, beside the workers.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.pending import Batch, Job, Lane
from embed_plugin.errors import EncodingError, InvalidInputError, InvalidTextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

    from embed_plugin.types import Vectors

    Run = Callable[[npt.NDArray[np.int64]], Vectors]


SMALL_JOB_TOKENS = 512
"""A job of at most so many tokens goes before larger ones: a query, or a page."""

SMALL_BATCHES_IN_A_ROW = 8
"""After so many batches of small jobs a larger job that waits has its turn, so that small ones cannot starve it."""


@dataclass(frozen=True)
class BatchReport:
    """What one run did, for whoever watches the queue.

    Attributes:
        texts: Texts in the batch.
        tokens: Their tokens.
        small_tokens: Those of them that belong to small jobs.
        seconds: From taking the batch to having its vectors.
        small_waits: For each small job whose first texts these are, the seconds it had waited.
        large_waits: The same for larger jobs.
    """

    texts: int
    tokens: int
    small_tokens: int
    seconds: float
    small_waits: Sequence[float]
    large_waits: Sequence[float]


@dataclass(frozen=True)
class QueuedTokens:
    """Tokens of the texts that wait for a worker, by lane."""

    small: int
    large: int


class BatchQueue:
    """Runs submitted texts on ``workers`` threads, in batches of equal length and at most ``token_budget`` tokens."""

    def __init__(self, run: Run, *, dimension: int, workers: int, token_budget: int) -> None:
        self._run = run
        self._dimension = dimension
        self._workers = workers
        self._token_budget = token_budget
        self._lock = threading.Lock()
        self._small, self._large = Lane(), Lane()
        self._dropped: deque[Job] = deque()
        self._small_in_a_row = 0
        self._working = 0
        self._visiting = 0
        self.observer: Callable[[BatchReport], None] | None = None
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="embed-plugin")

    @property
    def queued_tokens(self) -> QueuedTokens:
        """Tokens that wait for a worker."""
        with self._lock:
            self._forget_dropped()
            return QueuedTokens(self._small.tokens, self._large.tokens)

    def submit(self, token_ids: Sequence[Sequence[int]], *, is_part: bool = False) -> Future[Vectors]:
        """Queue texts; the future gives ``(n, dimension)`` in their order. Cancelling it drops what has not begun.

        Where no thread can be started, as while the interpreter ends, the calling thread runs them before it returns.

        Args:
            token_ids: Token ids of each text.
            is_part: They are a part of a large job, and wait in its lane however few they are.
        """
        is_small = not is_part and sum(map(len, token_ids)) <= SMALL_JOB_TOKENS
        job = Job(token_ids, self._dimension, is_small=is_small)
        if not job.token_ids:
            job.finish()
            return job.future
        with self._lock:
            self._lane_of(job).add(job)
            idle = self._workers - self._working
        reference = weakref.ref(job)  # the future of a job that held it would keep both, and their arrays, alive
        job.future.add_done_callback(lambda _: self._drop(reference()))
        try:
            self._wake(min(idle, len(job.token_ids)), job)
        except BaseException:
            job.future.cancel()  # nobody has it, and nothing is computed for nobody
            raise
        return job.future

    def encode_one(self, token_ids: Sequence[int]) -> Vectors:
        """Encode one text of a caller who waits for it: ``(1, dimension)``.

        The caller's own thread runs it: beside busy workers it has a share of their cores at once, where it would wait
        for a batch to end, and beside idle ones no thread must be woken for it, a fifth of a short query.
        """
        if not self._may_visit(len(token_ids)):
            return self.submit([token_ids]).result()
        try:
            job = Job([token_ids], self._dimension, is_small=len(token_ids) <= SMALL_JOB_TOKENS)
            self._run_for_callers([(job, 0)])
        finally:
            with self._lock:
                self._visiting -= 1
        return job.future.result()

    def _may_visit(self, tokens: int) -> bool:
        """Count the calling thread as a visitor: as many as there are workers, and with long texts idle ones.

        Visitors keep no worker from work: one that Ctrl-C left counted makes later calls slower, and stops nothing.
        """
        with self._lock:
            busy = self._visiting + (self._working if tokens > SMALL_JOB_TOKENS else 0)
            self._visiting += busy < self._workers
        return busy < self._workers

    def _lane_of(self, job: Job) -> Lane:
        return self._small if job.is_small else self._large

    def _drop(self, job: Job | None) -> None:
        """Have a job forgotten. It takes no lock: the garbage collector may come here while this thread holds it."""
        if job is not None:
            self._dropped.append(job)

    def _forget_dropped(self) -> None:
        while self._dropped:
            job = self._dropped.popleft()
            self._lane_of(job).drop(job)

    def _work(self) -> None:
        """Run batches until none is left. Counted here, so that a :meth:`submit` cut off by Ctrl-C counts nothing."""
        with self._lock:
            self._working += 1
        while batch := self._take(is_worker=True):
            with suppress(BaseException):  # its callers have it, and others wait for this worker
                self._run_for_callers(batch)

    def _wake(self, workers: int, job: Job) -> None:
        """Have workers look for batches; where no thread can be started, run them until the job is done."""
        try:
            for _ in range(workers):
                self._threads.submit(self._work)
        except RuntimeError:  # "can't start new thread", "cannot schedule new futures after interpreter shutdown"
            self._work_for(job)

    def _work_for(self, job: Job) -> None:
        """Run batches until a job is done, or what is left of it is run by workers."""
        while not job.future.done() and (batch := self._take(is_worker=False)):
            self._run_for_callers(batch)

    def _take(self, *, is_worker: bool) -> Batch:
        """The next batch. Where there is none the worker ends, and counts no more before another job can come."""
        batch: Batch = []
        failed: dict[Job, BaseException] = {}
        with self._lock:
            try:
                self._forget_dropped()
                batch = self._next_batch()
            except BaseException as reason:  # noqa: BLE001 - the lanes cannot be relied on: nothing may wait in them
                failed = dict.fromkeys([*self._small.jobs, *self._large.jobs], reason)
                self._small, self._large = Lane(), Lane()
            if is_worker and not batch:
                self._working -= 1
        for job, error in failed.items():
            job.waiting_tokens = 0  # nothing of it is in a lane
            job.finish(error)
        return batch

    def _run_for_callers(self, batch: Batch) -> None:
        """Run a batch; whatever fails belongs to the callers. What is to end this thread is raised here too."""
        started = time.perf_counter()
        try:
            vectors = self._vectors(batch)
            if vectors is not None:
                self._hand_out(batch, vectors, started)
        except BaseException as error:
            for job, _ in batch:
                job.finish(error)
            if not isinstance(error, Exception):
                raise

    def _vectors(self, batch: Batch) -> Vectors | None:
        """The vectors of a batch; None where it fails, and each of its texts was run alone to find the ones that do."""
        try:
            return self._checked(self._run(np.array([job.token_ids[row] for job, row in batch], dtype=np.int64)), batch)
        except Exception as error:
            if len(batch) > 1:
                for entry in batch:
                    self._run_for_callers([entry])
                return None
            if isinstance(error, InvalidInputError):
                raise InvalidTextError(batch[0][1], str(error)) from error
            raise

    def _checked(self, vectors: Vectors, batch: Batch) -> Vectors:
        """Refuse rows that numpy would stretch to a vector, or that are too few."""
        if vectors.shape != (expected := (len(batch), self._dimension)):
            found = f"vectors of the shape {vectors.shape}, expected {expected}"
            raise EncodingError(f"the model returned {found}: export it again")
        return vectors

    def _hand_out(self, batch: Batch, vectors: Vectors, started: float) -> None:
        for (job, row), vector in zip(batch, vectors, strict=True):
            job.vectors[row] = vector
        with self._lock:
            report = _report(batch, started)
            for job, _ in batch:
                job.unfinished -= 1
        if self.observer is not None:
            self.observer(report)
        for job in dict.fromkeys(job for job, _ in batch):
            if job.unfinished == 0:
                job.finish()

    def _next_batch(self) -> Batch:
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


def _length(entry: tuple[Job, int]) -> int:
    job, row = entry
    return len(job.token_ids[row])


def _report(batch: Batch, started: float) -> BatchReport:
    """Tell what a batch did, and mark its jobs as begun."""
    length = _length(batch[0])
    waits: tuple[list[float], list[float]] = [], []
    for job, _ in batch:
        if not job.has_begun:
            job.has_begun = True
            waits[0 if job.is_small else 1].append(started - job.submitted)
    return BatchReport(
        texts=len(batch),
        tokens=length * len(batch),
        small_tokens=length * sum(job.is_small for job, _ in batch),
        seconds=time.perf_counter() - started,
        small_waits=waits[0],
        large_waits=waits[1],
    )
