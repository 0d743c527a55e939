from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest import IngestSettings, QdrantSink, Record, ingest, open_sink
from embed_plugin.ingest.window.workers import LocalWorkers, RunContext
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOWS = [[Record(f"{window}.{number}", f"text {number}") for number in range(5)] for window in range(20)]
SETTINGS = IngestSettings()


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


def task(sink: QdrantSink) -> RunContext:
    encoder = FakeEncoder()
    sink.prepare(encoder)
    return RunContext(encoder, sink, SETTINGS, SETTINGS.chunker(encoder), exists=True)


def test_windows_may_be_started_by_several_threads_and_done_again(sink: QdrantSink) -> None:
    with LocalWorkers(task(sink)) as workers, ThreadPoolExecutor(4) as threads:
        outcomes = [future.result() for future in threads.map(workers.start, WINDOWS)]
        again = workers.start(WINDOWS[3]).result()
    assert sum(len(change.embed) for outcome in outcomes for change in outcome.changes) == 100
    assert {change.status for change in again.changes} == {"unchanged"}
    assert sink.count() == 100


def test_a_store_that_failed_is_not_asked_again(sink: QdrantSink, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def upsert(chunks: object, _: object) -> None:
        asked.append(chunks)
        raise TargetError("the disk is full")

    monkeypatch.setattr(sink, "upsert", upsert)
    with LocalWorkers(task(sink)) as workers:
        for future in [workers.start(window) for window in WINDOWS[:3]]:
            with pytest.raises(TargetError, match="the disk is full"):
                future.result()
    assert len(asked) == 1


def test_chunks_that_cannot_be_are_refused_before_a_collection_is_made(sink: QdrantSink) -> None:
    with pytest.raises(InvalidInputError, match="tokens a chunk"):
        ingest(WINDOWS[0], FakeEncoder(), sink, settings=IngestSettings(chunk_tokens=2))
    assert sink.collections() == []
