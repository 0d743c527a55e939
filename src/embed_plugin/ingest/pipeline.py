"""Records to a collection: read, chunk, compare with what is stored, embed what is new, store it.

Three windows of records are on their way at once: while one is read, compared and cut, two are embedded, and what is
embedded is stored. No window waits for another but the one before it in the same stage.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.changes import Change, find_changes
from embed_plugin.ingest.chunker import Chunker
from embed_plugin.ingest.embedding import Embedding
from embed_plugin.ingest.mirror import find_gone, refusal, remove
from embed_plugin.ingest.records import Record, Rejected
from embed_plugin.ingest.seen_ids import SeenIds
from embed_plugin.ingest.shard import Shard
from embed_plugin.ingest.storing import store_changes
from embed_plugin.ingest.summary import IngestSummary, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from embed_plugin.contracts import TextEncoder, Vectors
    from embed_plugin.ingest.sink import Sink

_WINDOWS_UNDER_WAY = 3


@dataclass(frozen=True)
class IngestSettings:
    """How records are ingested.

    Attributes:
        chunk_tokens: Most tokens of a chunk, special tokens and prefix included; None for the model's limit.
        overlap_tokens: Most tokens that a chunk repeats of the one before it.
        window_records: Records that are chunked, looked up and embedded together.
        window_characters: A window ends early when its texts are longer than this; it bounds memory, and what a
            killed run has to do again.
        shard: The part of the records that this run takes.
        mirror: Remove what is stored of records that were not read: the collection becomes a copy of its source.
        max_delete: The largest part of the stored points that ``mirror`` may remove; above, it removes none.
        dry_run: Count what would be done; embed and write nothing.
    """

    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    window_records: int = 512
    window_characters: int = 500_000
    shard: Shard = field(default_factory=Shard)
    mirror: bool = False
    max_delete: float = 0.1
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.window_records < 1 or self.window_characters < 1:
            raise InvalidInputError("a window must hold at least one record and one character")
        if not 0 <= self.max_delete <= 1:
            raise InvalidInputError(f"max_delete is {self.max_delete}; expected a part of all points, 0 to 1")


@dataclass(frozen=True)
class Observer:
    """Who is told what a run does; each is optional.

    Attributes:
        on_progress: Called after each window, when its chunks are stored, with the summary so far.
        on_change: Called for each record, when its window is stored or, in a dry run, compared.
        on_removed: Called with the ids of the records that ``mirror`` removes.
        on_rejected: Called with what could not be read, cut or stored, as soon as it is known. Without it, the first
            such thing ends the run with a RecordError.
    """

    on_progress: Callable[[IngestSummary], None] | None = None
    on_change: Callable[[Change], None] | None = None
    on_removed: Callable[[Sequence[str]], None] | None = None
    on_rejected: Callable[[Sequence[Rejected]], None] | None = None


def ingest(
    records: Iterable[Record | Rejected],
    encoder: TextEncoder,
    sink: Sink,
    *,
    settings: IngestSettings | None = None,
    observer: Observer | None = None,
) -> IngestSummary:
    """Bring a collection up to date with records, embedding only what is new or changed.

    Point ids follow from collection, record and chunk, and every point says what it was made from: a run that
    was stopped is continued by running it again. Where reading fails or the main thread is interrupted, what is under
    way is stored before the exception goes on.

    Args:
        records: Read lazily, a window at a time. Where something was rejected of which not even the id is known,
            ``mirror`` removes nothing.
        encoder: Makes the vectors.
        sink: The collection; made if it is not there.
        settings: The defaults where None.
        observer: Who is told what happens.

    Raises:
        RecordError: a record cannot be read or chunked, or two have the same id, and nobody observes rejections.
        SpaceMismatchError: the collection holds vectors of another space.
        TargetError: the store cannot be reached or refuses.
    """
    run = _Run(encoder, sink, settings or IngestSettings(), observer or Observer())
    run.take_all(records)
    if run.settings.mirror:
        run.mirror()
    return run.summary()


class _Window(NamedTuple):
    """A window that is being stored."""

    records: int
    changes: list[Change]
    rejected: int
    refused: Future[list[Rejected]]


class _Run:
    def __init__(self, encoder: TextEncoder, sink: Sink, settings: IngestSettings, observer: Observer) -> None:
        self.settings = settings
        self._observer = observer
        self._encoder = encoder
        self._sink = sink
        self._chunker = Chunker(encoder, chunk_tokens=settings.chunk_tokens, overlap_tokens=settings.overlap_tokens)
        self._tally = Tally()
        self._seen = SeenIds()
        self._failed = False
        self._all_named = True  # unless something is rejected of which not even the id is known
        self._exists = sink.check(encoder)
        if not settings.dry_run:
            sink.prepare(encoder)
            self._exists = True

    def take_all(self, records: Iterable[Record | Rejected]) -> None:
        """Take the records a window at a time; where reading fails, what is under way is stored all the same."""
        under_way: deque[_Window] = deque()
        with Embedding(self._encoder) as embedding, ThreadPoolExecutor(1, thread_name_prefix="storing") as storing:
            try:
                for window in _windows(records, self.settings):
                    under_way.append(self._start(window, embedding, storing))
                    if len(under_way) == _WINDOWS_UNDER_WAY or self.settings.dry_run:
                        self._finish(under_way.popleft())
                while under_way:
                    self._finish(under_way.popleft())
            except BaseException:
                while under_way and not self._failed:
                    self._finish(under_way.popleft())
                raise

    def mirror(self) -> None:
        """Remove what is stored of records that were not read, or say in the summary why not."""
        if not self._exists:
            return
        gone = find_gone(self._sink, self._seen, self.settings.shard)
        self._tally.mirror_refused = refusal(
            gone, self._seen, complete=self._all_named, max_delete=self.settings.max_delete
        )
        if self._tally.mirror_refused is None:
            if not self.settings.dry_run:
                remove(gone, self._sink)
            self._tally.removed_sources(sources=len(gone.sources), chunks=gone.chunks)
            if self._observer.on_removed:
                self._observer.on_removed(gone.sources)

    def summary(self) -> IngestSummary:
        return self._tally.summary()

    def _start(self, window: Sequence[Record | Rejected], embedding: Embedding, storing: ThreadPoolExecutor) -> _Window:
        """Compare a window with what is stored, and set off what must be embedded and stored."""
        rejected = [record for record in window if isinstance(record, Rejected)]
        self._know(rejected)
        records = self._unseen([record for record in window if isinstance(record, Record)], rejected)
        found = find_changes(records, self._chunker, self._sink, exists=self._exists)
        rejected += [result for result in found if isinstance(result, Rejected)]
        self._reject(rejected)
        changes = [result for result in found if isinstance(result, Change)]
        if self.settings.dry_run:
            refused: Future[list[Rejected]] = Future()
            refused.set_result([])
        else:
            vectors = embedding.start([chunk for change in changes for chunk in change.embed])
            refused = storing.submit(self._store, changes, vectors)
        return _Window(len(window), changes, len(rejected), refused)

    def _store(self, changes: Sequence[Change], vectors: Callable[[], Vectors]) -> list[Rejected]:
        if self._failed:
            return []  # whoever waits for the window that failed is told
        try:
            return store_changes(changes, vectors(), self._sink)
        except BaseException:
            self._failed = True
            raise

    def _finish(self, window: _Window) -> None:
        """Wait until a window is stored, and tell of it."""
        records = {change.source_id: change.record for change in window.changes}
        refused = [
            Rejected.of(records[refused.source_id or ""], refused.reason, chunk_index=refused.chunk_index)
            for refused in window.refused.result()
        ]
        self._reject(refused)
        self._tally.add(window.changes, records=window.records, rejected=window.rejected, refused_chunks=len(refused))
        if self._observer.on_change:
            for change in window.changes:
                self._observer.on_change(change)
        if self._observer.on_progress:
            self._observer.on_progress(self.summary())

    def _know(self, rejected: Sequence[Rejected]) -> None:
        """What was rejected is there all the same: nothing of it is gone from the source."""
        self._seen.add([one.source_id for one in rejected if one.source_id is not None])
        self._all_named = self._all_named and all(one.source_id is not None for one in rejected)

    def _unseen(self, records: Sequence[Record], rejected: list[Rejected]) -> list[Record]:
        """The records of this run's shard whose ids are new to it; others are rejected."""
        mine = self.settings.shard.of(records)
        again = self._seen.add([record.source_id for record in mine])
        for record, seen in zip(mine, again, strict=True):
            if seen:
                reason = (
                    f"{record.place or 'a record'}: the id {record.source_id!r} was already used by an earlier record. "
                    "Give every record an id of its own (--id-field), or ingest into different collections"
                )
                rejected.append(Rejected.of(record, reason))
        return [record for record, seen in zip(mine, again, strict=True) if not seen]

    def _reject(self, rejected: Sequence[Rejected]) -> None:
        if not rejected:
            return
        if self._observer.on_rejected is None:
            raise RecordError(rejected[0].reason)
        self._observer.on_rejected(rejected)


def _windows(records: Iterable[Record | Rejected], settings: IngestSettings) -> Iterator[list[Record | Rejected]]:
    window: list[Record | Rejected] = []
    characters = 0
    for record in records:
        window.append(record)
        characters += len(record.text if isinstance(record, Record) else str(record.record))
        if len(window) >= settings.window_records or characters >= settings.window_characters:
            yield window
            window, characters = [], 0
    if window:
        yield window
