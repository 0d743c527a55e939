"""Workers: they compare a window of records with the collection, cut it, and embed and store what is new.

A window may be processed more than once and by any worker: ids follow from the records, and stored chunks are found
first.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Self

from embed_plugin.ingest.records import Rejected
from embed_plugin.ingest.window.compare import Change, find_changes
from embed_plugin.ingest.window.embed import Embedding
from embed_plugin.ingest.window.reuse import reuse_vectors
from embed_plugin.ingest.window.store import store_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.chunk.chunker import Chunker
    from embed_plugin.ingest.records import Record
    from embed_plugin.ingest.settings import IngestSettings
    from embed_plugin.ingest.stored_points import StoredPoints
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

WINDOWS_IN_PROGRESS = 3
"""Windows in progress in one process: one in each stage."""


@dataclass(frozen=True)
class RunContext:
    """The data of a run that its workers need.

    Attributes:
        encoder: Makes the vectors.
        sink: The collection.
        settings: The run's settings.
        chunker: Cuts records for the encoder.
        exists: Whether the collection exists; in a dry run it may not.
        stored: The collection's points before the run, whose vectors are taken for the same texts; None to take
            those of a record's own chunks alone.
    """

    encoder: TextEncoder
    sink: Sink
    settings: IngestSettings
    chunker: Chunker
    exists: bool
    stored: StoredPoints | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a window.

    Attributes:
        changes: One for each record that could be cut.
        uncut: The other records, rejected.
        refused: Chunks that the store refused for their content.
    """

    changes: Sequence[Change]
    uncut: Sequence[Rejected]
    refused: Sequence[Rejected] = ()

    @property
    def refused_reused(self) -> int:
        """Number of refused chunks that had the vector of another point."""
        refused = {(one.key, one.chunk_index) for one in self.refused}
        return sum((one.chunk.key, one.chunk.index) in refused for change in self.changes for one in change.reuse)


class Workers(Protocol):
    """Process the windows of a run; used in a ``with`` statement, whose end waits for the windows in progress.

    Attributes:
        windows: Number of windows to keep in progress.
    """

    windows: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def start(self, records: Sequence[Record]) -> Future[Outcome]:
        """Start a window, whose records have different ids; the future is done when it is stored.

        Raises:
            TargetError: the store cannot be reached or refuses; raised here or by the future.
        """


class LocalWorkers:
    """Threads of this process: while one window is compared and cut, two are embedded or stored.

    A window waits only for the one before it in the same stage. Several threads may start windows.
    """

    def __init__(self, context: RunContext) -> None:
        self.windows = 1 if context.settings.dry_run else WINDOWS_IN_PROGRESS
        self._context = context
        self._compare_lock = Lock()
        self._threads = ExitStack()
        self._embedding = self._threads.enter_context(Embedding(context.encoder))
        self._store_thread = self._threads.enter_context(ThreadPoolExecutor(1, thread_name_prefix="storing"))
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.close()

    def start(self, records: Sequence[Record]) -> Future[Outcome]:
        """Compare and cut a window, and start to embed and store what is new."""
        with self._compare_lock:
            found = find_changes(records, self._context.chunker, self._context.sink, exists=self._context.exists)
            changes = [result for result in found if isinstance(result, Change)]
            uncut = [result for result in found if isinstance(result, Rejected)]
            dimension = self._context.encoder.dimension
            changes = reuse_vectors(changes, self._context.stored, self._context.sink, dimension=dimension)
            if self._context.settings.dry_run:
                done: Future[Outcome] = Future()
                done.set_result(Outcome(changes, uncut))
                return done
            vectors = self._embedding.start([chunk for change in changes for chunk in change.embed])
            return self._store_thread.submit(self._store, changes, uncut, vectors)

    def _store(self, changes: list[Change], uncut: list[Rejected], vectors: Callable[[], Vectors]) -> Outcome:
        if self._failure is not None:
            raise self._failure  # do not retry for minutes a store that has failed already
        try:
            refused = store_changes(changes, vectors(), self._context.sink)
        except BaseException as failure:
            self._failure = failure
            raise
        records = {change.key: change.record for change in changes}
        return Outcome(changes, uncut, [_with_record(one, records[one.key or ""]) for one in refused])


def _with_record(refused: Rejected, record: Record) -> Rejected:
    """Add to a refused chunk the record, which is needed to try it again."""
    return Rejected.of(record, refused.reason, chunk_index=refused.chunk_index)
