from __future__ import annotations

import sqlite3
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import OutputError
from embed_plugin.ingest import Contents, OfSources, Stored, StoredChunk, StoredCollections, WithIds, read_contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest import RecordCondition


def chunk(record: str, index: int = 0, count: int = 1, *, source: str = "a", foreign: bool = False) -> StoredChunk:
    stored = Stored("t", "r", "m", count)
    return StoredChunk(f"{source}-{record}-{index}", record, index, stored, "", {}, None, source, "", foreign)


def test_records_are_listed_by_source_with_their_chunks(stored: StoredCollections) -> None:
    with read_contents(stored.sink("notes")) as contents:
        found = [(one.source, one.record, one.chunks) for one in contents.records()]
        assert found == [("a", "long", 4), ("a", "r0", 1), ("a", "r1", 1), ("a", "r2", 1), ("b", "r1", 1)]
        assert all(one.chunks == one.expected for one in contents.records())
        assert contents.sources() == [("a", 4, 7), ("b", 1, 1)]
        assert (contents.points, contents.foreign, contents.unknown) == (8, 0, 0)


@pytest.mark.parametrize(
    ("conditions", "records", "missing"),
    [
        ([OfSources(["b", "c"])], ["r1"], ["source 'c'"]),
        ([WithIds(["r1", "x"])], ["r1", "r1"], ["record 'x'"]),
        ([OfSources(["a"]), WithIds(["r1", "long"])], ["long", "r1"], []),
        ([OfSources(["b"]), WithIds(["r0"])], [], ["source 'b'", "record 'r0'"]),
    ],
)
def test_conditions_are_joined_by_and(
    conditions: Sequence[RecordCondition], records: list[str], missing: list[str]
) -> None:
    page = [chunk("r0"), chunk("r1"), chunk("long", 0, 2), chunk("long", 1, 2), chunk("r1", source="b")]
    with Contents(conditions) as contents:
        contents.add(page)
        assert [one.record for one in contents.records()] == records
        assert contents.missing() == missing
        assert contents.missing(missing) == []


def test_points_of_no_record_are_counted_apart() -> None:
    with Contents() as contents:
        contents.add([chunk("r0"), chunk("theirs", foreign=True), chunk("", source="")])
        assert (contents.points, contents.foreign, contents.unknown) == (3, 1, 1)
        assert [one.record for one in contents.records()] == ["r0"]


def test_a_chunk_that_lacks_shows_in_the_numbers() -> None:
    with Contents() as contents:
        contents.add([chunk("r", 0, 3), chunk("r", 2, 3), chunk("headless", 1, 2)])
        assert [one[1:] for one in contents.records()] == [("headless", 1, 0), ("r", 2, 3)]


def test_first_chunks_and_the_others_are_told_apart() -> None:
    with Contents() as contents:
        contents.add([chunk("r", index, 1500) for index in range(1500)])
        assert [len(ids) for ids in contents.ids(first=False)] == [1024, 475]
        assert list(contents.ids(first=True)) == [["a-r-0"]]


def peak_of(records: int) -> int:
    """The most bytes that Python held while so many records were read and listed, 256 a page."""

    def pages() -> Iterator[list[StoredChunk]]:
        for start in range(0, records, 256):
            yield [chunk(f"record {number}") for number in range(start, start + 256)]

    tracemalloc.start()
    with Contents() as contents:
        for page in pages():
            contents.add(page)
        listed = sum(1 for _ in contents.records())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert listed == records
    return peak


def test_the_memory_is_that_of_a_page_however_many_records_there_are() -> None:
    peak_of(256)  # what is made once
    assert peak_of(25_600) < 1.5 * peak_of(1024)


def test_a_table_that_cannot_be_written_says_where_room_is_needed() -> None:
    contents = Contents()
    contents._table.execute("PRAGMA max_page_count = 2")
    with pytest.raises(OutputError, match="set TMPDIR to a folder") as raised:
        contents.add([chunk("r" * 1000, number) for number in range(1000)])
    assert isinstance(raised.value.__cause__, sqlite3.Error)
    contents.close()
