"""The records of a collection and the numbers of their chunks, from one pass over its payloads.

Points come in the order of their ids, which scatter a record's chunks. They are put into a temporary SQLite table on
the disk, which counts and sorts them: the memory is that of a page of points, the table's cache and SQLite's sorter,
however many records there are. The table takes about 100 bytes a chunk where ``TMPDIR`` points.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from embed_plugin.ingest.stores.sink import Sink, StoredChunk
    from embed_plugin.ingest.upkeep.conditions import RecordCondition

_CACHE_KIB = 8192
_ROWS_AT_ONCE = 1024
_CREATE = "CREATE TABLE chunks (source TEXT, record TEXT, position INTEGER, expected INTEGER, point TEXT)"
_RECORDS = """SELECT source, record, count(*), max(CASE position WHEN 0 THEN expected ELSE 0 END) FROM chunks
    GROUP BY source, record ORDER BY source, record"""
_SOURCES = """SELECT source, count(*), sum(chunks) FROM
    (SELECT source, record, count(*) AS chunks FROM chunks GROUP BY source, record) GROUP BY source ORDER BY source"""
_POINTS = "SELECT point FROM chunks WHERE (position = 0) = ? ORDER BY rowid"


class StoredRecord(NamedTuple):
    """A record of a collection.

    Attributes:
        source: The name of its source.
        record: Its id there.
        chunks: Chunks that are stored.
        expected: Chunks that it has by what its first one says; 0 if that is missing.
    """

    source: str
    record: str
    chunks: int
    expected: int


class StoredSource(NamedTuple):
    """A source of a collection: its name, and the numbers of its records and their chunks."""

    source: str
    records: int
    chunks: int


class Contents:
    """The chunks of a collection that meet conditions; closed at the end of a ``with`` statement.

    Attributes:
        points: Points of the collection, all of them.
        foreign: Points that another program made.
        unknown: Points that ingest made, and whose record's id is gone.
        met: The parts of the conditions that some record meets.
    """

    def __init__(self, conditions: Sequence[RecordCondition] = ()) -> None:
        self.points = 0
        self.foreign = 0
        self.unknown = 0
        self.met: set[str] = set()
        self._conditions = conditions
        with _translated():
            self._table = sqlite3.connect("", isolation_level=None)  # the empty name: a temporary file of its own
            for each in (f"PRAGMA cache_size = -{_CACHE_KIB}", "PRAGMA journal_mode = OFF", _CREATE, "BEGIN"):
                self._table.execute(each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the table."""
        self._table.close()

    def add(self, page: Sequence[StoredChunk]) -> None:
        """Count a page of points, and keep those that meet every condition."""
        self.points += len(page)
        self.foreign += sum(chunk.is_foreign for chunk in page)
        known = [chunk for chunk in page if not chunk.is_foreign and chunk.source_id]
        self.unknown += sum(not chunk.is_foreign for chunk in page) - len(known)
        rows = [
            (chunk.source_name, chunk.source_id, chunk.index, chunk.stored.chunk_count, chunk.id)
            for chunk in known
            if self._holds(chunk)
        ]
        with _translated():
            self._table.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", rows)

    def records(self) -> Iterator[StoredRecord]:
        """The records, by source and id."""
        with _translated():
            yield from map(StoredRecord._make, self._table.execute(_RECORDS))

    def sources(self) -> list[StoredSource]:
        """The sources, by name."""
        with _translated():
            return [StoredSource(*row) for row in self._table.execute(_SOURCES)]

    def ids(self, *, first: bool) -> Iterator[list[str]]:
        """The ids of the points, some at a time: of each record's first chunk, or of all others."""
        with _translated():
            found = self._table.execute(_POINTS, (first,))
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                yield [point for (point,) in rows]

    def missing(self, known: Collection[str] = ()) -> list[str]:
        """The parts of the conditions that no record meets, but for those that are known to be there."""
        parts = dict.fromkeys(part for condition in self._conditions for part in condition.parts)
        return [part for part in parts if part not in self.met and part not in known]

    def _holds(self, chunk: StoredChunk) -> bool:
        parts = [part for condition in self._conditions if (part := condition.met(chunk)) is not None]
        if len(parts) < len(self._conditions):
            return False
        self.met.update(parts)
        return True


def read_contents(
    sink: Sink, conditions: Sequence[RecordCondition] = (), *, on_progress: Callable[[int, int], None] | None = None
) -> Contents:
    """Read the records of a collection that meet every condition; close the result, or use it in a ``with`` statement.

    Args:
        sink: The collection, which exists.
        conditions: Joined by "and"; without one, all records are read.
        on_progress: Called after each page with the points read and about how many there are.

    Raises:
        TargetError: the store cannot be reached.
        OutputError: the disk has no room for the temporary table.
    """
    contents = Contents(conditions)
    total = sink.count(exact=False)
    try:
        for page in sink.scan():
            contents.add(page)
            if on_progress:
                on_progress(contents.points, max(total, contents.points))
    except BaseException:
        contents.close()
        raise
    return contents


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        remedy = "make room there, or set TMPDIR to a folder with about 100 bytes for each chunk"
        raise OutputError(f"the temporary table of records cannot be written ({error}): {remedy}") from error
