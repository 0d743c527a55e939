"""Workers on a Ray cluster: their number, the distribution of windows, and the replacement of workers that die."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from embed_plugin.errors import ClusterError, InvalidInputError
from embed_plugin.ingest.ray.actor import Actor
from embed_plugin.ingest.ray.cluster import room_for
from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder, pickled_sink
from embed_plugin.ingest.window.workers import WINDOWS_IN_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.records import Record
    from embed_plugin.ingest.window.workers import Outcome, RunContext

_TRIES = 4
"""Attempts for a window, and consecutive workers that may fail to start."""


@dataclass(frozen=True)
class OnRay:
    """Runs the windows of an ingest on a Ray cluster; for the argument ``workers`` of ``ingest``.

    The workers embed every new text: they are not sent which stored vectors ``mirror`` could reuse.

    Attributes:
        workers: Processes; None for as many as the cluster's machines have room for.
        cpus: CPUs of each, all of one machine.

    Raises:
        InvalidInputError: one of them is below 1.
    """

    workers: int | None = None
    cpus: int = 1

    def __post_init__(self) -> None:
        if self.cpus < 1 or (self.workers is not None and self.workers < 1):
            raise InvalidInputError(f"{self.workers} workers of {self.cpus} CPUs: expected 1 or more of both")

    def __call__(self, context: RunContext) -> RayWorkers:
        """Start the workers.

        Raises:
            ClusterError: the cluster has no room for them.
            TargetError: only one process may have the sink open.
        """
        room = room_for(self.cpus)
        workers = self.workers or max(1, room)
        if workers > room:
            message = (
                f"the Ray cluster has room for {room} workers of {self.cpus} CPUs, and {workers} were asked for: ask "
                "for less (--ray-workers, --ray-cpus), or add machines to it first"
            )
            raise ClusterError(message)
        return RayWorkers(context, workers=workers, cpus=self.cpus)


@dataclass(eq=False)
class _Worker:
    actor: Any
    windows: int = 0


@dataclass(eq=False)
class _Window:
    records: Sequence[Record]
    outcome: Future[Outcome] = field(default_factory=Future)
    tries: int = 0


class RayWorkers:
    """:class:`~embed_plugin.ingest.window.workers.Workers` in processes of a Ray cluster; :class:`.OnRay` makes them.

    Each processes three windows at once. If one dies, alone or with its machine, the others process its windows again,
    and a new one is started as soon as there is room for it.
    """

    def __init__(self, context: RunContext, *, workers: int, cpus: int) -> None:
        self.windows = workers * WINDOWS_IN_PROGRESS
        self._about = LazyEncoder(context.encoder), pickled_sink(context.sink, cpus=cpus), context.settings
        self._actors = ray.remote(Actor).options(num_cpus=cpus, max_concurrency=WINDOWS_IN_PROGRESS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ray")  # only this thread uses the fields below
        self._started: set[_Worker] = set()
        self._ready: set[_Worker] = set()
        self._waiting: deque[_Window] = deque()
        self._sent: set[_Window] = set()
        self._failed_starts = 0
        for _ in range(workers):
            self._then(self._start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        for worker in self._started:
            ray.kill(worker.actor)

    def start(self, records: Sequence[Record]) -> Future[Outcome]:
        """Queue a window; the worker with the fewest takes it, as soon as one has less than three."""
        window = _Window(records)
        self._then(self._queue, window)
        return window.outcome

    def _then(self, step: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - the step's
        with suppress(RuntimeError):  # the thread has ended, and the run with it
            self._thread.submit(self._do, step, *arguments)

    def _do(self, step: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - the step's
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - otherwise the windows would be waited for for ever
            self._give_up(f"the Ray cluster cannot be used any more: {error!r}")

    def _start(self) -> None:
        worker = _Worker(self._actors.remote(*self._about))
        self._started.add(worker)
        worker.actor.ready.remote().future().add_done_callback(lambda done: self._then(self._take_in, worker, done))

    def _take_in(self, worker: _Worker, done: Future[None]) -> None:
        error = done.exception()
        if error is None:
            self._failed_starts = 0
            self._ready.add(worker)
        else:
            self._failed_starts += 1
            self._replace(worker)
            if self._failed_starts >= _TRIES and not self._ready:
                self._give_up(f"{self._failed_starts} workers in a row did not start: {error}")
        self._hand_out()

    def _queue(self, window: _Window) -> None:
        self._waiting.append(window)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._ready:
            worker = min(self._ready, key=lambda one: one.windows)
            if worker.windows == WINDOWS_IN_PROGRESS:
                return
            self._send(self._waiting.popleft(), worker)

    def _send(self, window: _Window, worker: _Worker) -> None:
        window.tries += 1
        worker.windows += 1
        self._sent.add(window)
        done = worker.actor.process.remote(window.records).future()
        done.add_done_callback(lambda done: self._then(self._finish, window, worker, done))

    def _finish(self, window: _Window, worker: _Worker, done: Future[Outcome]) -> None:
        worker.windows -= 1
        error = done.exception()
        if window not in self._sent:
            return  # it has failed already
        if isinstance(error, RayError) and not isinstance(error, RayTaskError):
            self._retry(window, worker, error)
        elif error is None:
            self._sent.remove(window)
            window.outcome.set_result(done.result())
        else:
            self._sent.remove(window)
            window.outcome.set_exception(_unwrapped(error))
        self._hand_out()

    def _retry(self, window: _Window, worker: _Worker, error: RayError) -> None:
        if window.tries == _TRIES:
            self._give_up(f"a window of records was lost {_TRIES} times with the worker that did it: {error}")
            return
        self._replace(worker)
        self._sent.remove(window)
        self._waiting.appendleft(window)

    def _replace(self, worker: _Worker) -> None:
        """Start another worker, once, for one that died or cannot be reached."""
        if worker in self._started:
            self._started.remove(worker)
            self._ready.discard(worker)
            ray.kill(worker.actor)
            self._start()

    def _give_up(self, found: str) -> None:
        message = (
            f"{' '.join(found.split()).rstrip('.')}. What is stored stays; see what is wrong there, such as too little "
            "memory, and run the same command again to go on"
        )
        for window in (*self._sent, *self._waiting):
            window.outcome.set_exception(ClusterError(message))
        self._sent.clear()
        self._waiting.clear()


def _unwrapped(error: BaseException) -> BaseException:
    """The worker's exception, without Ray's wrapper."""
    if not isinstance(error, RayTaskError):
        return error
    cause: BaseException = error.cause
    cause.__cause__ = error  # it has the worker's traceback
    return cause
