"""What waits for a worker: jobs, and their texts by length."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from embed_plugin.errors import InvalidTextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.types import Vectors


class Job:
    """The texts of one call: their token ids, their rows, and what is still to do."""

    def __init__(self, token_ids: Sequence[Sequence[int]], dimension: int, *, is_small: bool) -> None:
        self.token_ids = tuple(token_ids)  # the caller's list may change
        lengths = [len(ids) for ids in self.token_ids]
        if 0 in lengths:
            raise InvalidTextError(lengths.index(0), "has no tokens, so it has no vector: leave it out")
        self.vectors: Vectors = np.empty((len(lengths), dimension), dtype=np.float32)
        self.unfinished = len(lengths)
        self.is_small = is_small
        self.lengths = sorted(set(lengths))  # the longest is popped first
        self.waiting_tokens = sum(lengths)
        self.submitted = time.perf_counter()
        self.has_begun = False
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
        except BaseException:  # of a callback, such as SystemExit: it must not end the worker
            if not self.future.done():
                raise


Batch: TypeAlias = list[tuple[Job, int]]
"""Jobs and their rows, of one length."""


class Lane:
    """Jobs, oldest first, and their waiting rows by length."""

    def __init__(self) -> None:
        self.jobs: dict[Job, None] = {}
        self.waiting: defaultdict[int, dict[Job, deque[int]]] = defaultdict(dict)
        self.tokens = 0

    def add(self, job: Job) -> None:
        """Let a job's texts wait."""
        for row, ids in enumerate(job.token_ids):
            self.waiting[len(ids)].setdefault(job, deque()).append(row)
        self.jobs[job] = None
        self.tokens += job.waiting_tokens

    def next_batch(self, most: Callable[[int], int]) -> Batch:
        """The oldest job's longest waiting texts, filled up with other jobs' texts of that length; or none."""
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
        """Take at most so many waiting texts of one length, those of the oldest job first."""
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
        """Forget what a job has left waiting; nothing, unless it was cancelled or failed."""
        self.jobs.pop(job, None)
        self.tokens -= job.waiting_tokens
        job.waiting_tokens = 0
        for length in job.lengths:
            waiting = self.waiting.get(length, {})
            waiting.pop(job, None)
            if not waiting:
                self.waiting.pop(length, None)
