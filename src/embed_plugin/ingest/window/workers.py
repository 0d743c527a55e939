"""Who does a window of records: compares it with what is stored, cuts it, embeds and stores what is new.

A window may be done more than once, and by anybody: ids follow from the records, and what is stored is found first.
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
from embed_plugin.ingest.window.store import store_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.chunk.chunker import Chunker
    from embed_plugin.ingest.records import Record
    from embed_plugin.ingest.settings import IngestSettings
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

WINDOWS_UNDER_WAY = 3
"""Of one process: one in each stage."""


@dataclass(frozen=True)
class RunContext:
    """What workers need to know of a run.

    Attributes:
        encoder: Makes the vectors.
        sink: The collection.
        settings: The run's, among them whether anything is written.
        chunker: Cuts records for the encoder.
        exists: Whether the collection is there, which it may not be in a dry run.
    """

    encoder: TextEncoder
    sink: Sink
    settings: IngestSettings
    chunker: Chunker
    exists: bool


@dataclass(frozen=True)
class Outcome:
    """What a window came to.

    Attributes:
        changes: One for each record that could be cut.
        uncut: The other records.
        refused: Chunks that the store refused for their content.
    """

    changes: Sequence[Change]
    uncut: Sequence[Rejected]
    refused: Sequence[Rejected] = ()


class Workers(Protocol):
    """Do the windows of a run; used in a ``with`` statement, whose end waits for what was begun.

    Attributes:
        windows: How many should be under way at once.
    """

    windows: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def start(self, records: Sequence[Record]) -> Future[Outcome]:
        """Begin with a window, whose records have different ids; the result is there when it is stored.

        Raises:
            TargetError: the store cannot be reached or refuses; here, or where the result is asked for.
        """


class LocalWorkers:
    """Threads of this process: while one window is compared and cut, two are embedded, and one of those is stored.

    No window waits for another but the one before it in the same stage. Windows may be started by several threads.
    """

    def __init__(self, context: RunContext) -> None:
        self.windows = 1 if context.settings.dry_run else WINDOWS_UNDER_WAY
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
        """Compare and cut a window, and set off what must be embedded and stored."""
        with self._compare_lock:
            found = find_changes(records, self._context.chunker, self._context.sink, exists=self._context.exists)
            changes = [result for result in found if isinstance(result, Change)]
            uncut = [result for result in found if isinstance(result, Rejected)]
            if self._context.settings.dry_run:
                done: Future[Outcome] = Future()
                done.set_result(Outcome(changes, uncut))
                return done
            vectors = self._embedding.start([chunk for change in changes for chunk in change.embed])
            return self._store_thread.submit(self._store, changes, uncut, vectors)

    def _store(self, changes: list[Change], uncut: list[Rejected], vectors: Callable[[], Vectors]) -> Outcome:
        if self._failure is not None:
            raise self._failure  # a store that has failed is not asked again for minutes
        try:
            refused = store_changes(changes, vectors(), self._context.sink)
        except BaseException as failure:
            self._failure = failure
            raise
        records = {change.source_id: change.record for change in changes}
        return Outcome(changes, uncut, [_with_record(one, records[one.source_id or ""]) for one in refused])


def _with_record(refused: Rejected, record: Record) -> Rejected:
    """What the store refused, with what is needed to try it again."""
    return Rejected.of(record, refused.reason, chunk_index=refused.chunk_index)
