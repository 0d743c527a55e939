"""Windows of records on a Ray cluster: actors that hold an encoder and a connection, and do whole windows."""

from __future__ import annotations

import pickle
import socket
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from embed_plugin.errors import ClusterError, InvalidInputError, ModelFolderError, TargetError
from embed_plugin.ingest.ray.cluster import room_for
from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder
from embed_plugin.ingest.workers import WINDOWS_UNDER_WAY, LocalWorkers, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.pipeline import IngestSettings
    from embed_plugin.ingest.records import Record
    from embed_plugin.ingest.sink import Sink
    from embed_plugin.ingest.workers import Outcome

_TRIES = 4
"""How often a window is begun; one that has killed so many workers would kill the next one too."""


@dataclass(frozen=True)
class OnRay:
    """Has the windows of a run done by workers on a Ray cluster; for the argument ``workers`` of ``ingest``.

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

    def __call__(self, task: Task) -> RayWorkers:
        """Start them.

        Raises:
            ClusterError: the cluster has no room for them.
            TargetError: the sink is one that only one process may have open.
        """
        room = room_for(self.cpus)
        workers = self.workers or max(1, room)
        if workers > room:
            message = (
                f"the Ray cluster has room for {room} workers of {self.cpus} CPUs, and {workers} were asked for: ask "
                "for less (--ray-workers, --ray-cpus), or add machines to it first"
            )
            raise ClusterError(message)
        return RayWorkers(task, workers=workers, cpus=self.cpus)


class RayWorkers:
    """:class:`~embed_plugin.ingest.workers.Workers` in processes of a Ray cluster; :class:`OnRay` makes them.

    Each does three windows at once, in the stages of :class:`~embed_plugin.ingest.workers.LocalWorkers`. Where one
    dies, Ray starts another, which does its windows again.
    """

    def __init__(self, task: Task, *, workers: int, cpus: int) -> None:
        self.windows = workers * WINDOWS_UNDER_WAY
        about = LazyEncoder(task.encoder), pickle.dumps(task.sink), task.settings
        options = {
            "num_cpus": cpus,
            "max_concurrency": WINDOWS_UNDER_WAY,
            "max_restarts": -1,
            "max_task_retries": _TRIES - 1,
        }
        self._actors = [ray.remote(_Worker).options(**options).remote(*about) for _ in range(workers)]
        self._busy: Counter[int] = Counter()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            ray.kill(actor)

    def start(self, records: Sequence[Record]) -> Future[Outcome]:
        """Hand a window to the worker that has the fewest."""
        with self._lock:
            number = min(range(len(self._actors)), key=self._busy.__getitem__)
            self._busy[number] += 1
        outcome: Future[Outcome] = Future()
        done = self._actors[number].do.remote(records).future()
        done.add_done_callback(partial(self._hand_on, number, outcome))
        return outcome

    def _hand_on(self, number: int, outcome: Future[Outcome], done: Future[Any]) -> None:
        with self._lock:
            self._busy[number] -= 1
        error = done.exception()
        if error is None:
            outcome.set_result(done.result())
        else:
            outcome.set_exception(_own(error))


class _Worker:
    """What each process holds: an encoder and a sink, from its first window on."""

    def __init__(self, encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> None:
        self._about = encoder, sink, settings
        self._starting = Lock()
        self._threads: LocalWorkers | None = None

    def do(self, records: Sequence[Record]) -> Outcome:
        """Do a window, to the end."""
        with self._starting:
            self._threads = self._threads or start_here(*self._about)
        return self._threads.start(records).result()


def start_here(encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> LocalWorkers:
    """Load an encoder, connect a pickled sink, and start to work in this process, one of a cluster.

    Raises:
        ModelFolderError: the model folder cannot be used on this machine.
        SpaceMismatchError: the folder here is another one than that with which the collection was prepared.
        TargetError: the store cannot be reached from here.
    """
    try:
        loaded = encoder.load()
        opened: Sink = pickle.loads(sink)  # noqa: S301 - our own
        exists = opened.check(loaded)
    except (ModelFolderError, TargetError) as error:
        raise type(error)(f"on the machine {socket.gethostname()}: {error}") from error
    if not exists and not settings.dry_run:
        message = f"the collection {opened.collection!r} is not there: make it first, with sink.prepare(encoder)"
        raise TargetError(message)
    return LocalWorkers(Task(loaded, opened, settings, settings.chunker(loaded), exists))


def _own(error: BaseException) -> BaseException:
    """The error that the worker raised, without what Ray puts around it; Ray's own as a ClusterError."""
    if isinstance(error, RayTaskError):
        cause: BaseException = error.cause
        cause.__cause__ = error  # which has the worker's traceback
        return cause
    if isinstance(error, RayError):
        message = (
            f"a window of records was lost {_TRIES} times with the worker that did it: {error}. What is stored stays; "
            "see what killed them, such as too little memory, and run the same command again to go on"
        )
        return ClusterError(message)
    return error
