"""A server that is busy, breaks off, is slow or refuses a point: nothing is lost and nothing doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import grpc  # type: ignore[import-untyped]
import pytest

from conftest import HANG_SECONDS
from embed_plugin.errors import TargetError
from embed_plugin.ingest import Chunk, CollectionSettings, QdrantSink, open_sink
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.retry import RetrySettings
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.ingest.stores.qdrant.requests import REQUEST_BYTES, REQUEST_POINTS
from embed_plugin.testing import FakeEncoder
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import Fault, Misbehaviour, Refuse, Reset, Slow, misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODER = FakeEncoder()


@contextmanager
def sink_to(
    url: str, waits: list[float] | None = None, *, timeout_seconds: int = 60, grpc_port: int | None = None
) -> Iterator[QdrantSink]:
    """A sink that notes its waits instead of waiting, where a list is given."""
    settings = RetrySettings(give_up_after_seconds=60, first_wait_seconds=0.01)
    sleep = None if waits is None else waits.append
    client = open_client(url, timeout_seconds=timeout_seconds, prefer_grpc=grpc_port is not None, grpc_port=grpc_port)
    with QdrantSink(ClientBackend(client, target=url, retry=settings, sleep=sleep), "c") as sink:
        sink.prepare(ENCODER)
        yield sink


def fill(sink: QdrantSink, *texts: str) -> list[int | None]:
    """Store chunks; those that were rejected."""
    chunks = [Chunk("a", index, len(texts), text, {}, "m", "r", 3) for index, text in enumerate(texts)]
    return [rejected.chunk_index for rejected in sink.upsert(chunks, ENCODER.encode_documents(texts))]


def texts_of(sink: QdrantSink) -> list[str]:
    return sorted(chunk.text for page in sink.scan() for chunk in page)


@pytest.mark.parametrize(
    "fault",
    [Refuse(429), Refuse(408), Refuse(500), Refuse(502), Refuse(503), Reset(), Reset(after_storing=False)],
    ids=str,
)
def test_what_may_not_come_again_is_tried_again_and_stored_once(fault: Fault) -> None:
    waits: list[float] = []
    with misbehaving_qdrant(fault, fault) as (url, seen), sink_to(url, waits) as sink:
        assert fill(sink, "one", "two") == []
        assert texts_of(sink) == ["one", "two"]
        assert (len(seen.writes), len(waits)) == (3, 2)


def test_an_answer_that_comes_too_late_is_asked_for_again() -> None:
    waits: list[float] = []
    with misbehaving_qdrant(Slow(HANG_SECONDS)) as (url, seen), sink_to(url, waits, timeout_seconds=1) as sink:
        fill(sink, "one", "two")
        assert texts_of(sink) == ["one", "two"]
        assert len(seen.writes) == 2


def test_waits_grow_and_are_never_shorter_than_the_server_asks() -> None:
    waits: list[float] = []
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    faults = [Refuse(503), Refuse(503), Refuse(503), Refuse(429, "7"), Refuse(503, later), Refuse(429, "soon")]
    with misbehaving_qdrant(*faults) as (url, _), sink_to(url, waits) as sink:
        fill(sink, "one")
        assert texts_of(sink) == ["one"]
    assert len(waits) == 6
    assert 0.01 <= waits[0] <= waits[1] < waits[2] <= 0.05
    assert 7 <= waits[3] < 8
    assert 30 < waits[4] <= 40
    assert waits[5] < 1


def test_the_server_sees_no_request_before_it_asked_for_one() -> None:
    with misbehaving_qdrant(Refuse(429, "1")) as (url, seen), sink_to(url) as sink:
        fill(sink, "one")
        ((first, _, _), (second, _, _)) = seen.writes
        assert second - first >= 1


def test_a_server_that_stays_busy_is_given_up_with_what_was_tried() -> None:
    settings = RetrySettings(give_up_after_seconds=2, first_wait_seconds=0.5)
    with misbehaving_qdrant(*[Refuse(503)] * 200) as (url, seen):
        backend = ClientBackend(open_client(url), target=url, retry=settings)
        with QdrantSink(backend, "c") as sink:
            sink.prepare(ENCODER)
            with pytest.raises(TargetError, match=rf"{url} .*503.*tried \d+ times in [\d.]+ s"):
                fill(sink, "one")
            assert len(seen.writes) > 1
            assert sink.count() == 0


def test_a_longer_wait_than_the_limit_is_not_begun() -> None:
    waits: list[float] = []
    with misbehaving_qdrant(Refuse(429, "3600")) as (url, _), sink_to(url, waits) as sink:
        with pytest.raises(TargetError, match=r"too busy: 429.*run the same command again"):
            fill(sink, "one")
        assert waits == []


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_what_would_come_again_is_not_tried_again(status: int) -> None:
    waits: list[float] = []
    with misbehaving_qdrant(Refuse(status)) as (url, seen), sink_to(url, waits) as sink:
        with pytest.raises(TargetError, match=url):
            fill(sink, "one", "two")
        assert (len(seen.writes), waits) == (1, [])


@pytest.mark.parametrize("poisoned", [{0}, {299}, {3, 4, 200}])
def test_points_that_are_refused_are_found_alone_and_all_others_stored(poisoned: set[int]) -> None:
    texts = [f"{'poison' if number in poisoned else 'text'} {number}" for number in range(300)]
    with misbehaving_qdrant(poison="poison") as (url, _), sink_to(url, []) as sink:
        assert fill(sink, *texts) == sorted(poisoned)
        assert texts_of(sink) == sorted(text for text in texts if "poison" not in text)


def test_the_reason_of_a_rejection_is_the_servers_own() -> None:
    with misbehaving_qdrant(poison="bad") as (url, _), sink_to(url, []) as sink:
        (rejected,) = sink.upsert([Chunk("a", 0, 1, "bad", {}, "m", "r", 3)], ENCODER.encode_documents(["bad"]))
        assert "a point is poisoned" in rejected.reason
        assert (rejected.source_id, rejected.chunk_index) == ("a", 0)


def test_everything_at_once_loses_nothing_and_doubles_nothing() -> None:
    faults = [Refuse(429, "0"), None, Reset(), Refuse(503), Reset(after_storing=False), None, Refuse(500)] * 3
    texts = [f"{'poison' if number % 501 == 7 else 'text'} {number}" for number in range(2000)]
    with misbehaving_qdrant(*faults, poison="poison") as (url, _), sink_to(url, []) as sink:
        assert sorted(map(int, filter(None, fill(sink, *texts)))) == [7, 508, 1009, 1510]
        assert texts_of(sink) == sorted(text for text in texts if "poison" not in text)


def test_requests_are_bounded_by_points_and_bytes_and_a_few_are_under_way_at_once() -> None:
    texts = [f"{number} " + "long " * (200_000 if number % 40 == 0 else 10) for number in range(1000)]
    with misbehaving_qdrant(*[Slow(0.05)] * 50) as (url, seen), sink_to(url, []) as sink:
        fill(sink, *texts)
        assert sink.count() == 1000
        assert max(points for _, points, _ in seen.writes) <= REQUEST_POINTS
        assert max(size for _, _, size in seen.writes) <= REQUEST_BYTES
        assert 2 <= seen.most_at_once <= 4


def test_an_api_key_goes_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with misbehaving_qdrant() as (url, seen):
        with open_sink(url, "c", api_key="given") as sink:
            sink.prepare(ENCODER)
        monkeypatch.setenv("QDRANT_API_KEY", "from the environment")
        open_client(url).close()
        assert seen.api_keys == {"given", "from the environment"}


def test_leaving_by_an_error_ends_the_waits_of_all_threads() -> None:
    with misbehaving_qdrant(*[Refuse(503, "50")] * 2) as (url, seen):
        with ThreadPoolExecutor(1) as thread, pytest.raises(KeyboardInterrupt), sink_to(url) as sink:  # noqa: PT012
            writing = thread.submit(fill, sink, "one")
            interrupt_after_a_write(seen)
        assert "the wait for it was ended. Run the same command again" in str(writing.exception())
        assert len(seen.writes) == 1


def interrupt_after_a_write(seen: Misbehaviour) -> None:
    while not seen.writes:
        seen.stopped.wait(0.01)
    raise KeyboardInterrupt


TRANSIENT = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED]


@contextmanager
def grpc_sink(
    waits: list[float], *codes: grpc.StatusCode, poison: str | None = None
) -> Iterator[tuple[QdrantSink, list[int]]]:
    """A sink to a server with gRPC, and the sizes of the upserts that reach it."""
    with (
        misbehaving_qdrant() as (url, seen),
        grpc_qdrant(seen.engine, *codes, poison=poison) as (port, sizes),
        sink_to(url, waits, grpc_port=port) as sink,
    ):
        yield sink, sizes


def test_grpc_is_tried_again_on_what_may_not_come_again() -> None:
    waits: list[float] = []
    with grpc_sink(waits, *TRANSIENT) as (sink, sizes):
        assert fill(sink, "one", "two") == []
        assert texts_of(sink) == ["one", "two"]
        assert (sizes, len(waits)) == ([2] * 4, 3)


def test_grpc_is_not_tried_again_on_what_would_come_again() -> None:
    with grpc_sink([], grpc.StatusCode.INTERNAL) as (sink, sizes):
        with pytest.raises(TargetError, match="refused: as planned"):
            fill(sink, "one")
        assert sizes == [1]


def test_points_that_grpc_refuses_are_found_alone() -> None:
    texts = [f"{'poison' if number in {3, 140} else 'text'} {number}" for number in range(200)]
    with grpc_sink([], poison="poison") as (sink, _):
        assert fill(sink, *texts) == [3, 140]
        assert sink.count() == 198


def test_a_bulk_load_switches_indexing_off_and_closing_switches_it_on_again() -> None:
    with misbehaving_qdrant() as (url, seen):
        with open_sink(url, "c", settings=CollectionSettings(bulk_load=True)) as sink:
            sink.prepare(ENCODER)
            before = seen.indexing_threshold
            fill(sink, "one")
        assert (before, seen.indexing_threshold) == (0, 20000)


@pytest.mark.parametrize("how", ["next run", "call"])
def test_a_bulk_load_that_was_killed_is_ended_later(how: str) -> None:
    with misbehaving_qdrant() as (url, seen):
        killed = open_sink(url, "c", settings=CollectionSettings(bulk_load=True))
        killed.prepare(ENCODER)
        killed._backend.close()  # the process is gone: nothing of the sink's own end is run
        killed._writer.close()
        assert seen.indexing_threshold == 0
        with open_sink(url, "c") as sink:
            sink.prepare(ENCODER) if how == "next run" else sink.end_bulk_load()
            assert seen.indexing_threshold == 20000
            seen.indexing_threshold = 7
            sink.prepare(ENCODER)
            assert seen.indexing_threshold == 7
