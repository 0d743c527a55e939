"""Run an ingest: read records a window at a time, hand each window to the workers, count, reject and mirror."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import RecordError
from embed_plugin.ingest.ids import SeenIds
from embed_plugin.ingest.records import Record, Rejected
from embed_plugin.ingest.settings import IngestSettings
from embed_plugin.ingest.sources import Coverage, LocatedRecords, roots_of
from embed_plugin.ingest.stored_points import StoredPoints
from embed_plugin.ingest.summary import IngestSummary, Tally
from embed_plugin.ingest.upkeep.mirror import find_gone, first_chunks, refusal, remove
from embed_plugin.ingest.window.workers import WINDOWS_IN_PROGRESS, LocalWorkers, Outcome, RunContext
from embed_plugin.protocols import most_kept_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from embed_plugin.ingest.sources import Scope
    from embed_plugin.ingest.stores.sink import Sink, StoredChunk
    from embed_plugin.ingest.window.compare import Change
    from embed_plugin.ingest.window.workers import Workers
    from embed_plugin.protocols import TextEncoder


@dataclass(frozen=True)
class Observer:
    """Callbacks of a run; each is optional.

    Attributes:
        on_progress: Called after each window, when its chunks are stored, with the summary so far.
        on_change: Called for each record, when its window is stored or, in a dry run, compared.
        on_removed: Called with the first chunk of each record that ``mirror`` removes, without text and metadata.
        on_rejected: Called with records that could not be read as soon as they are read, and with those that could not
            be cut or stored when their window is stored. Without it, the first rejection raises RecordError.
    """

    on_progress: Callable[[IngestSummary], None] | None = None
    on_change: Callable[[Change], None] | None = None
    on_removed: Callable[[Sequence[StoredChunk]], None] | None = None
    on_rejected: Callable[[Sequence[Rejected]], None] | None = None


def ingest(
    records: Iterable[Record | Rejected],
    encoder: TextEncoder,
    sink: Sink,
    *,
    settings: IngestSettings | None = None,
    observer: Observer | None = None,
    workers: Callable[[RunContext], Workers] = LocalWorkers,
) -> IngestSummary:
    """Bring a collection up to date with records, embedding only what is new or changed.

    Point ids follow from collection, record and chunk, and every point keeps the hashes of its source: a run that was
    stopped is continued by running it again. If reading fails or the main thread is interrupted, the windows in
    progress are stored before the exception is raised. A collection is created when the first record has been read.

    ``mirror`` reads the collection before the first record, and remembers 37 bytes of each point: it removes what was
    there and is of no record that was read, and a text that was there, such as a renamed file's, keeps its vector.

    Args:
        records: Read lazily, a window at a time. ``mirror`` removes records of the sources that they are located in, or
            else of those that they name; if a rejected record has no known id, it removes nothing.
        encoder: Makes the vectors.
        sink: The collection; created if it does not exist.
        settings: The defaults if None.
        observer: Callbacks.
        workers: Starts the workers that compare, cut, embed and store; threads of this process by default.

    Raises:
        InvalidInputError: the collection has a source of the same name with another root.
        RecordError: a record cannot be read or cut, or two have the same id, and there is no ``on_rejected``.
        SpaceMismatchError: the collection holds vectors of another space.
        TargetError: the store cannot be reached or refuses.
    """
    settings = settings or IngestSettings()
    chunker = settings.chunker(encoder)  # raises for impossible settings, before the store is asked
    exists = sink.check(encoder)
    chunker = chunker.with_context(sink.context)
    scopes = records.locate(sink.sources) if isinstance(records, LocatedRecords) else ()
    run = _Run(settings, observer or Observer(), scopes, sink if exists and not settings.dry_run else None)
    points = run.scan(sink) if settings.mirror and exists else None
    windows = _windows(records, settings, most_characters=_most_characters(settings, encoder))
    if first := run.first_with_records(windows):
        if not settings.dry_run:
            sink.prepare(encoder, sources=roots_of(scopes))
            exists, run.sink = True, sink
        with workers(RunContext(encoder, sink, settings, chunker, exists, points)) as started:
            run.take_all(chain([first], windows), started)
    if points is not None:
        run.mirror(points, sink)
    return run.summary()


class _Window(NamedTuple):
    """A window in progress."""

    rejected: Sequence[Rejected]
    outcome: Future[Outcome]


class _Run:
    def __init__(
        self, settings: IngestSettings, observer: Observer, scopes: Sequence[Scope], sink: Sink | None
    ) -> None:
        self._settings = settings
        self._observer = observer
        self.sink = sink  # None until the collection is there, and in a dry run
        self._tally = Tally()
        self._seen = SeenIds()
        self._scopes = scopes
        self._sources = {scope.source_name for scope in scopes}
        self._in_progress: deque[_Window] = deque()
        self._failed = False
        self._all_named = True  # False after a rejection without a known id

    def scan(self, sink: Sink) -> StoredPoints:
        """Read the collection's points, and which of them are in the scopes of the run."""
        coverage = Coverage(self._scopes)
        return StoredPoints.scan(sink, lambda chunk: not self._scopes or coverage.holds(chunk.source_name, chunk.file))

    def first_with_records(self, windows: Iterator[Sequence[Record | Rejected]]) -> Sequence[Record | Rejected] | None:
        """Reject the windows without records before the first one that has some, and return that; None if none has."""
        for window in windows:
            rejected = [one for one in window if isinstance(one, Rejected)]
            if len(rejected) < len(window):
                return window
            self._note_rejected(rejected)
            self._reject(rejected)
            self._tally.add(Outcome([], []), rejected=rejected)
        return None

    def take_all(self, windows: Iterable[Sequence[Record | Rejected]], workers: Workers) -> None:
        """Process the windows; if reading fails, those in progress are still stored."""
        try:
            for window in windows:
                self._start(window, workers)
                if len(self._in_progress) >= workers.windows:
                    self._finish()
            while self._in_progress:
                self._finish()
        except BaseException:
            while self._in_progress and not self._failed:
                self._finish()
            raise

    def mirror(self, points: StoredPoints, sink: Sink) -> None:
        """Remove the chunks of records that were not read, or put the reason for not doing so in the summary."""
        gone = find_gone(points, self._seen, self._settings, self._sources or None)
        self._tally.mirror_refused = refusal(gone, self._seen, self._settings, complete=self._all_named)
        if self._tally.mirror_refused is None:
            removed = first_chunks(gone, sink) if self._observer.on_removed else []
            if not self._settings.dry_run:
                remove(gone, sink)
            self._tally.removed_sources(sources=gone.records, chunks=gone.chunks)
            if self._observer.on_removed:
                self._observer.on_removed(removed)

    def summary(self) -> IngestSummary:
        return self._tally.summary()

    def _start(self, window: Sequence[Record | Rejected], workers: Workers) -> None:
        """Hand a window's records to the workers."""
        rejected = [record for record in window if isinstance(record, Rejected)]
        self._note_rejected(rejected)
        records = self._unseen([record for record in window if isinstance(record, Record)], rejected)
        self._reject(rejected)
        self._in_progress.append(_Window(rejected, workers.start(records)))

    def _finish(self) -> None:
        """Wait until the oldest window is stored, count it, and call the observer."""
        outcome = self._result()
        window = self._in_progress.popleft()  # not earlier: if Ctrl-C ends the wait, the window is still to be counted
        self._reject([*outcome.uncut, *outcome.refused])
        self._tally.add(outcome, rejected=window.rejected)
        if self._observer.on_change:
            for change in outcome.changes:
                self._observer.on_change(change)
        if self._observer.on_progress:
            self._observer.on_progress(self.summary())

    def _result(self) -> Outcome:
        try:
            return self._in_progress[0].outcome.result()
        except Exception:
            self._failed = True  # the later windows are not waited for: they would fail too, each after its own retries
            raise

    def _note_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Note the keys of rejected records: they still exist, so mirror must not delete them."""
        self._seen.add([one.key for one in rejected if one.key is not None])
        self._all_named = self._all_named and all(one.source_id is not None for one in rejected)

    def _unseen(self, records: Sequence[Record], rejected: list[Rejected]) -> list[Record]:
        """The records of this run's shard whose ids are new; a repeated id is added to ``rejected``."""
        if not self._scopes:
            self._sources.update(record.source_name for record in records)
        mine = self._settings.shard.of(records)
        again = self._seen.add([record.key for record in mine])
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
        self._observer.on_rejected(_with_stored(rejected, self.sink))


def _with_stored(rejected: Sequence[Rejected], sink: Sink | None) -> list[Rejected]:
    """Add what is stored of each now, nothing without a sink: a later run can tell whether that is still so."""
    hashes = {one.key: "" for one in rejected if one.key is not None}
    if sink is not None and hashes:
        firsts = {sink.id_of(key, 0): key for key in hashes}
        hashes |= {firsts[point]: there.record_hash for point, there in sink.lookup(list(firsts)).items()}
    return [replace(one, stored=hashes.get(one.key or "")) for one in rejected]


def _most_characters(settings: IngestSettings, encoder: TextEncoder) -> int:
    """Characters of a window: fewer where a run gives token vectors too, which are kept until the window is stored."""
    tokens = most_kept_tokens(encoder)  # a token has a character or more
    kept = settings.window_characters if tokens is None else tokens // WINDOWS_IN_PROGRESS
    return min(settings.window_characters, kept)


def _windows(
    records: Iterable[Record | Rejected], settings: IngestSettings, *, most_characters: int
) -> Iterator[list[Record | Rejected]]:
    window: list[Record | Rejected] = []
    characters = 0
    for record in records:
        window.append(record)
        characters += len(record.text if isinstance(record, Record) else str(record.record))
        if len(window) >= settings.window_records or characters >= most_characters:
            yield window
            window, characters = [], 0
    if window:
        yield window
