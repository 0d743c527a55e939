from __future__ import annotations

import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest import (
    Deletion,
    OfSources,
    QdrantSink,
    Record,
    StoredCollections,
    WithIds,
    delete,
    ingest,
    open_collections,
    open_sink,
    verify,
)
from embed_plugin.testing import FakeEncoder
from ingest.upkeep.conftest import RECORDS
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from pathlib import Path


def records_of(sink: QdrantSink) -> set[tuple[str, str]]:
    return {(chunk.source_name, chunk.source_id) for page in sink.scan() for chunk in page}


def sources_of(stored: StoredCollections) -> set[str]:
    identity = stored.describe("notes").identity
    assert identity
    return set(identity.sources)


def test_a_record_goes_with_all_its_chunks_and_the_rest_stays_sound(stored: StoredCollections) -> None:
    done = delete(stored, "notes", [WithIds(["long"])])
    assert done == Deletion("notes", 1, 4, ("a",), (), removed=True)
    sink = stored.sink("notes")
    assert records_of(sink) == {("a", "r0"), ("a", "r1"), ("a", "r2"), ("b", "r1")}
    assert verify(FakeEncoder(), sink).is_sound
    assert ingest(RECORDS, FakeEncoder(), sink).embedded == 4


def test_a_source_goes_with_its_name_which_another_root_may_take(stored: StoredCollections) -> None:
    done = delete(stored, "notes", [OfSources(["a"])])
    assert (done.records, done.chunks, done.missing) == (4, 7, ())
    assert (records_of(stored.sink("notes")), sources_of(stored)) == ({("b", "r1")}, {"b"})


def test_a_record_of_one_source_leaves_its_namesake_and_the_source(stored: StoredCollections) -> None:
    done = delete(stored, "notes", [OfSources(["b"]), WithIds(["r1"])])
    assert (done.records, done.sources) == (1, ("b",))
    assert ("a", "r1") in records_of(stored.sink("notes"))
    assert sources_of(stored) == {"a", "b"}


def test_what_is_not_found_is_named_and_the_rest_removed(stored: StoredCollections) -> None:
    done = delete(stored, "notes", [WithIds(["r0", "absent"])])
    assert (done.records, done.missing, done.removed) == (1, ("record 'absent'",), True)
    assert delete(stored, "notes", [OfSources(["absent"])]).missing == ("source 'absent'",)


def test_a_dry_run_and_a_no_remove_nothing(stored: StoredCollections) -> None:
    asked: list[int] = []

    def refuse(found: Deletion) -> bool:
        asked.append(found.chunks)
        return False

    conditions = [OfSources(["a"])]
    for done in (
        delete(stored, "notes", conditions, dry_run=True, confirm=refuse),
        delete(stored, "notes", conditions, confirm=refuse),
    ):
        assert (done.chunks, done.removed) == (7, False)
    assert (asked, stored.points("notes"), sources_of(stored)) == ([7], 8, {"a", "b"})


def test_points_of_another_program_stay() -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        (page,) = sink.scan()
        theirs = next(chunk for chunk in page if chunk.source_id == "r0")
        sink._backend.overwrite_payloads("notes", {theirs.id: {"source_id": "r1", "source_name": "a"}})
        assert delete(StoredCollections(sink._backend), "notes", [WithIds(["r1"])]).chunks == 2
        assert [one.id for one in sink.retrieve([theirs.id])] == [theirs.id]


def test_it_needs_a_condition_and_a_collection_of_ingests(stored: StoredCollections) -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        delete(stored, "notes", [])
    with pytest.raises(TargetError, match=r"has no collection 'nots'. Name one of those that are there: 'notes'"):
        delete(stored, "nots", [WithIds(["r0"])])


def test_a_migration_under_way_is_ended_first() -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        sink.migration(FakeEncoder(fingerprint="other")).start()
        with pytest.raises(TargetError, match=r"has a migration under way. Finish it first"):
            delete(StoredCollections(sink._backend), "notes", [WithIds(["r0"])])
        assert sink.count() == 8


KILLED = """
import sys
from embed_plugin.ingest import OfSources, QdrantSink, delete, open_collections

left, one_by_one = int(sys.argv[2]), QdrantSink.delete

def dying(sink, ids):
    global left
    for one in ids:
        if not left:
            print("now", flush=True)
            sys.stdin.read()
        left -= 1
        one_by_one(sink, [one])

QdrantSink.delete = dying
with open_collections(sys.argv[1]) as stored:
    delete(stored, "notes", [OfSources(["a"])])
"""


@pytest.mark.parametrize("engine", ["", "edge:"])
def test_a_killed_deletion_is_ended_by_running_it_again(engine: str, tmp_path: Path) -> None:
    if engine:
        pytest.importorskip("qdrant_edge")
    target, encoder, moments = f"{engine}{tmp_path / 'store'}", FakeEncoder(), random.Random(3)  # noqa: S311 - moments
    records = [Record(f"r{number}", f"{number} word " * 70, source_name="a") for number in range(5)]
    for _ in range(4):
        with open_sink(target, "notes") as sink:
            sink.prepare(encoder, sources={"a": "/roots/a"})
            chunks = ingest([*records, Record("kept", "kept", source_name="b")], encoder, sink).chunks
        command = [sys.executable, "-c", KILLED, target, str(moments.randrange(chunks - 1))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with killed_on_failure(process) as running:
            assert running.stdout
            assert running.stdout.readline() == "now\n"
            running.send_signal(signal.SIGKILL)
            running.wait()
        with open_sink(target, "notes") as sink:
            there = {(chunk.source_id, chunk.index) for page in sink.scan() for chunk in page}
            assert {(record, 0) for record, _ in there} <= there  # by the first, ingest finds the others
        with open_collections(target) as stored:
            delete(stored, "notes", [OfSources(["a"])])
            assert (records_of(stored.sink("notes")), sources_of(stored)) == ({("b", "kept")}, set())
