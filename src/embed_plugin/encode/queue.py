"""The batch queue: collects the texts of all callers and runs them on the workers in batches of equal length.

Idea 1 of the design: a batch holds texts with the same token count, so there is no padding and no mask. Texts of equal
length run together, whichever thread, task of an event loop or request of a service they come from. The oldest job
goes first, its longest texts before its short ones, so that the workers finish together. Small jobs have a backlog of
their own and go before large ones: a query that comes while a million documents are encoded waits for the batches that
are running, and for no others. A blocking call with one text does not wait even for those: its own thread runs it,
beside the workers. A batch behind which nothing waits may have idle cores beside its own (``wide.py``).

Batches shrink towards the end of what waits: none is more than half of one worker's share of it (guided
self-scheduling). So a few texts are spread over the workers, and a worker on a slow core has no large last batch, which
all others would have to wait for.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.pending import Backlog, Batch, Job
from embed_plugin.errors import InvalidInputError, InvalidTextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from embed_plugin.encode.outputs import Result
    from embed_plugin.encode.turns import Turns
    from embed_plugin.encode.wide import WideRuns
    from embed_plugin.types import Results, RunRows

    Run = Callable[[npt.NDArray[np.int64]], RunRows]


SMALL_JOB_TOKENS = 512
"""A job of at most so many tokens goes before larger ones: a query, or a page."""

SMALL_BATCHES_IN_A_ROW = 8
"""After so many batches of small jobs a larger job that waits has its turn, so that small ones cannot starve it."""

LEAST_BATCH_TOKENS = 64
"""A batch is made no smaller than this for the sake of other workers. With own kernels a run of 50 tokens costs as much
per token as one of 256, in fp32 a quarter more; 12 tokens cost 10 and 140 % more (all-MiniLM-L6-v2, Zen 5)."""


@dataclass(frozen=True)
class BatchReport:
    """A batch that was run, for the queue's observer.

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
    """Tokens of the texts that wait for a worker, those of small and of large jobs."""

    small: int
    large: int


class BatchQueue:
    """Runs submitted texts on ``workers`` threads, in batches of equal length and at most ``token_budget`` tokens."""

    def __init__(
        self,
        run: Run,
        *,
        output: Result,
        workers: int,
        token_budget: int,
        wide: WideRuns | None = None,
        most_texts: int | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            run: Runs token ids ``(n, length)`` to ``n`` rows; called by several threads at once.
            output: Turns rows into what callers get.
            workers: Most threads.
            token_budget: Most tokens of a batch; a longer text runs alone.
            wide: Runs a batch on several cores, where there are that many idle ones; None: never.
            most_texts: Most texts of a batch; None: as many as the budget of tokens allows.
        """
        self._run = run
        self._output = output
        self._workers = workers
        self._token_budget = token_budget
        self._texts_limit = most_texts or token_budget
        self._lock = threading.Lock()
        self._small, self._large = Backlog(), Backlog()
        self._dropped: deque[Job] = deque()
        self._small_in_a_row = 0
        self._workers_running = 0
        self._callers_running = 0
        self._wide = wide
        self._batches_running = 0
        self.observer: Callable[[BatchReport], None] | None = None
        self.turns: Turns | None = None
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="embed-plugin")

    @property
    def queued_tokens(self) -> QueuedTokens:
        """Tokens of the texts that wait for a worker."""
        with self._lock:
            self._forget_dropped()
            return QueuedTokens(self._small.tokens, self._large.tokens)

    def submit(
        self,
        token_ids: Sequence[Sequence[int]],
        *,
        is_part: bool = False,
        into: Results | None = None,
        output: Result | None = None,
    ) -> Future[Results]:
        """Queue texts; the future gives one result a text, in their order. Cancelling it drops what has not begun.

        Where no thread can be started, as while the interpreter ends, the calling thread runs them before it returns.

        Args:
            token_ids: Token ids of each text.
            is_part: They are a part of a large call, and count as a large job however few they are.
            into: An array of the caller's, as the output allocates them, which is filled and is the future's result.
            output: Turns the rows into what this caller gets; None: the queue's own.
        """
        is_small = not is_part and sum(map(len, token_ids)) <= SMALL_JOB_TOKENS
        job = Job(token_ids, output or self._output, is_small=is_small, into=into)
        if not job.token_ids:
            job.finish()
            return job.future
        with self._lock:
            self._backlog_of(job).add(job)
            idle = self._workers - self._workers_running
        reference = weakref.ref(job)  # the future of a job that held it would keep both, and their arrays, alive
        job.future.add_done_callback(lambda _: self._drop(reference()))
        try:
            self._wake(min(idle, len(job.token_ids)), job)
        except BaseException:
            job.future.cancel()  # no caller has it, so its texts need not run
            raise
        return job.future

    def encode_one(self, token_ids: Sequence[int], *, output: Result | None = None) -> Results:
        """Encode one text on the calling thread and return an array of its result.

        Beside busy workers the thread gets a share of their cores at once, instead of waiting for a batch to end.
        Beside idle workers it saves waking a thread, a fifth of the time of a short query. ``output`` is as in
        :meth:`submit`.
        """
        if not self._admit_caller(len(token_ids)):
            return self.submit([token_ids], output=output).result()
        try:
            job = Job([token_ids], output or self._output, is_small=len(token_ids) <= SMALL_JOB_TOKENS)
            self._run_for_callers([(job, 0)])
        finally:
            with self._lock:
                self._callers_running -= 1
        return job.future.result()

    def _admit_caller(self, tokens: int) -> bool:
        """Allow and count a caller that runs its own text: as many as workers, with a long text only as idle workers.

        The count limits callers, not workers: one that Ctrl-C left counted makes later calls slower, and stops nothing.
        """
        with self._lock:
            busy = self._callers_running + (self._workers_running if tokens > SMALL_JOB_TOKENS else 0)
            self._callers_running += busy < self._workers
        return busy < self._workers

    def _backlog_of(self, job: Job) -> Backlog:
        return self._small if job.is_small else self._large

    def _drop(self, job: Job | None) -> None:
        """Mark a job for removal. Takes no lock: the garbage collector may call this while this thread holds it."""
        if job is not None:
            self._dropped.append(job)

    def _forget_dropped(self) -> None:
        while self._dropped:
            job = self._dropped.popleft()
            self._backlog_of(job).drop(job)

    def _work(self) -> None:
        """Run batches until none is left. Counted here, so that Ctrl-C in :meth:`submit` counts no worker."""
        with self._lock:
            self._workers_running += 1
        with self._taking_turns() as pass_on:
            while batch := self._take(is_worker=True):
                with suppress(BaseException):  # its callers got the error; the worker goes on with other jobs
                    self._run_for_callers(batch)
                pass_on()

    def _taking_turns(self) -> AbstractContextManager[Callable[[], None]]:
        """Take turns with the workers of other queues; without any, the worker may always run."""
        if self.turns is None:
            return nullcontext(lambda: None)
        return self.turns.taking(lambda: self._small.tokens > 0)

    def _wake(self, workers: int, job: Job) -> None:
        """Start so many workers; where no thread can be started, run batches here until the job is done."""
        try:
            for _ in range(workers):
                self._threads.submit(self._work)
        except RuntimeError:  # "can't start new thread", "cannot schedule new futures after interpreter shutdown"
            self._work_for(job)

    def _work_for(self, job: Job) -> None:
        """Run batches on the calling thread until a job is done, or workers run the rest of it."""
        while not job.future.done() and (batch := self._take(is_worker=False)):
            self._run_for_callers(batch)

    def _take(self, *, is_worker: bool) -> Batch:
        """Take the next batch; where there is none, count the worker out under the same lock.

        So a job that is submitted later finds a worker too few, and wakes one.
        """
        batch: Batch = []
        failed: dict[Job, BaseException] = {}
        with self._lock:
            try:
                self._forget_dropped()
                batch = self._next_batch()
            except BaseException as reason:  # noqa: BLE001 - the backlogs may be inconsistent: fail all jobs in them
                failed = dict.fromkeys([*self._small.jobs, *self._large.jobs], reason)
                self._small, self._large = Backlog(), Backlog()
            if is_worker and not batch:
                self._workers_running -= 1
        for job, error in failed.items():
            job.waiting_tokens = 0  # nothing of it is in a backlog
            job.finish(error)
        return batch

    def _run_for_callers(self, batch: Batch) -> None:
        """Run a batch and pass any error to its callers; one that ends a thread, such as Ctrl-C, is raised here too."""
        started = time.perf_counter()
        try:
            rows = self._rows(batch)
            if rows is not None:
                self._hand_out(batch, rows, started)
        except BaseException as error:
            for job, _ in batch:
                job.finish(error)
            if not isinstance(error, Exception):
                raise

    def _rows(self, batch: Batch) -> RunRows | None:
        """Run the graph on a batch. Where that fails, run each text alone to find the bad ones, and return None."""
        try:
            rows = self._run_batch(np.array([job.token_ids[index] for job, index in batch], dtype=np.int64))
            self._output.check(rows, len(batch), _length(batch[0]))
        except Exception as error:
            if len(batch) > 1:
                for entry in batch:
                    self._run_for_callers([entry])
                return None
            if isinstance(error, InvalidInputError):
                raise InvalidTextError(batch[0][1], str(error)) from error
            raise
        return rows

    def _run_batch(self, input_ids: npt.NDArray[np.int64]) -> RunRows:
        """Run token ids, on several cores where so many are idle and nothing waits for them.

        One that Ctrl-C left counted makes later texts narrow, and stops nothing.
        """
        run = self._run
        with self._lock:
            self._batches_running += 1
            waiting = self._small.tokens + self._large.tokens
            running = self._batches_running
            if self.turns is not None:
                waiting, running = waiting + self.turns.waiting, max(running, self.turns.running)
            if self._wide and not waiting and running <= self._wide.most_at_once:
                run = self._wide.run
        try:
            return run(input_ids)
        finally:
            with self._lock:
                self._batches_running -= 1

    def _hand_out(self, batch: Batch, rows: RunRows, started: float) -> None:
        """Store the rows as their jobs' results, report the batch, and finish the jobs that are complete."""
        for (job, index), row in zip(batch, rows, strict=True):
            job.output.put(row, job.token_ids[index], job.results, index)
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
        """Take a batch from the small or the large jobs, and fill up with the others' texts of that length."""
        backlogs = [self._small, self._large]
        if self._small_in_a_row >= SMALL_BATCHES_IN_A_ROW:
            backlogs.reverse()
        for backlog, other in (backlogs, backlogs[::-1]):
            if batch := backlog.next_batch(self._most_texts):
                self._small_in_a_row = self._small_in_a_row + 1 if backlog is self._small else 0
                length = _length(batch[0])
                return batch + other.take(length, self._most_texts(length) - len(batch))
        return []

    def _most_texts(self, length: int) -> int:
        """Most texts of one length that a batch may hold; a text beyond the budget runs alone.

        With several workers no more than half of one's share of what waits, but for small shares: they would cost more
        than they save.
        """
        share = (self._small.tokens + self._large.tokens) // (2 * self._workers if self._workers > 1 else 1)
        most = min(self._token_budget, max(LEAST_BATCH_TOKENS, share)) // length
        return max(1, min(most, self._texts_limit))


def _length(entry: tuple[Job, int]) -> int:
    job, index = entry
    return len(job.token_ids[index])


def _report(batch: Batch, started: float) -> BatchReport:
    """Describe a batch that was run, and mark its jobs as begun."""
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
