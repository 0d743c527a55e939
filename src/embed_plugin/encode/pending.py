"""Jobs that wait for a worker, and a backlog of them that finds texts of equal length."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, TypeAlias

from embed_plugin.errors import InvalidTextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.encode.outputs import Result
    from embed_plugin.types import Results


class Job:
    """The texts of one call: their token ids, their results, and the count of those not yet encoded."""

    def __init__(
        self,
        token_ids: Sequence[Sequence[int]],
        output: Result,
        *,
        is_small: bool,
        into: Results | None = None,
    ) -> None:
        """Make a job.

        Args:
            token_ids: Token ids of each text.
            output: Makes and fills the array for the results.
            is_small: It goes before large jobs.
            into: The caller's own array for the results.

        Raises:
            InvalidTextError: a text has no tokens.
        """
        self.token_ids = tuple(token_ids)  # the caller's list may change
        lengths = [len(ids) for ids in self.token_ids]
        if 0 in lengths:
            raise InvalidTextError(lengths.index(0), "has no tokens, so it has no vector: leave it out")
        self.output = output
        self.results = output.allocate(len(lengths)) if into is None else into
        self.unfinished = len(lengths)
        self.is_small = is_small
        self.lengths = sorted(set(lengths))  # the longest is popped first
        self.waiting_tokens = sum(lengths)
        self.submitted = time.perf_counter()
        self.has_begun = False
        self.future: Future[Results] = Future()

    def finish(self, error: BaseException | None = None) -> None:
        """Resolve the future with the results or an error; a cancelled or failed future stays as it is."""
        try:
            if error is None:
                self.future.set_result(self.results)
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            return  # cancelled, or failed already by another batch
        except BaseException:  # of a callback, such as SystemExit: it must not end the worker
            if not self.future.done():
                raise


Batch: TypeAlias = list[tuple[Job, int]]
"""Texts of one length: each a job and the text's index in it."""


class Backlog:
    """Jobs, oldest first, and the indexes of their waiting texts by token count."""

    def __init__(self) -> None:
        self.jobs: dict[Job, None] = {}
        self.waiting: defaultdict[int, dict[Job, deque[int]]] = defaultdict(dict)
        self.tokens = 0

    def add(self, job: Job) -> None:
        """Add a job's texts."""
        for row, ids in enumerate(job.token_ids):
            self.waiting[len(ids)].setdefault(job, deque()).append(row)
        self.jobs[job] = None
        self.tokens += job.waiting_tokens

    def next_batch(self, most: Callable[[int], int]) -> Batch:
        """Take the oldest job's longest waiting texts and fill up with other jobs' texts of that length.

        Args:
            most: Gives the most texts of a length that a batch may hold.

        Returns:
            The batch; empty where nothing waits.
        """
        while self.jobs:
            job = next(iter(self.jobs))
            while job.lengths:
                length = job.lengths[-1]
                if job in self.waiting.get(length, ()):
                    return self.take(length, most(length))
                job.lengths.pop()
            del self.jobs[job]
        return []

    def take(self, length: int, most: int) -> Batch:
        """Take at most ``most`` waiting texts of one length, the oldest job's first."""
        batch = Batch()
        waiting = self.waiting.get(length, {})
        while waiting and len(batch) < most:
            job = next(iter(waiting))
            rows = waiting[job]
            while rows and len(batch) < most:
                batch.append((job, rows.popleft()))
                job.waiting_tokens -= length
                self.tokens -= length
            if not rows:
                del waiting[job]
        if not waiting:
            self.waiting.pop(length, None)
        return batch

    def drop(self, job: Job) -> None:
        """Remove the texts of a cancelled or failed job that still wait; a finished job has none."""
        self.jobs.pop(job, None)
        self.tokens -= job.waiting_tokens
        job.waiting_tokens = 0
        for length in job.lengths:
            waiting = self.waiting.get(length, {})
            waiting.pop(job, None)
            if not waiting:
                self.waiting.pop(length, None)
