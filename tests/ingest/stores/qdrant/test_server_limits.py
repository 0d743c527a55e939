"""What a server forbids: quotas, rights, the limits of strict mode. Over HTTP and over gRPC."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from qdrant_client.models import StrictModeConfigOutput

from embed_plugin.errors import RefusedContentError, TargetError
from embed_plugin.ingest import (
    Chunk,
    CollectionSettings,
    IngestSettings,
    Observer,
    QdrantSink,
    Record,
    ingest,
    migrate,
    parse_condition,
    search,
    verify,
)
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.ingest.stores.qdrant.requests import MOST_REFUSALS
from embed_plugin.testing import FakeEncoder
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import Misbehaviour, misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qdrant_client import QdrantClient

    from embed_plugin.ingest.stores.collection_settings import IndexKind

ENCODER = FakeEncoder()
HYBRID = CollectionSettings(sparse="bm25")
STRICT = StrictModeConfigOutput(enabled=True, max_query_limit=10, upsert_max_batchsize=7, search_allow_exact=False)
RECORDS = [Record(f"r{number}", f"text {number}") for number in range(60)]


@contextmanager
def server(
    kind: str, settings: CollectionSettings | None = None, *, poison: str | None = None
) -> Iterator[tuple[QdrantSink, Misbehaviour, list[int]]]:
    """A sink to a server, its behaviour, and the sizes of the upserts over gRPC."""
    with (
        misbehaving_qdrant(poison=poison) as (url, seen),
        grpc_qdrant(seen.engine, behaviour=seen) as (port, sizes),
    ):
        backend = ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=port))
        with QdrantSink(backend, "c", settings=settings) as sink:
            yield sink, seen, sizes


def client_of(sink: QdrantSink) -> QdrantClient:
    backend = sink._backend
    assert isinstance(backend, ClientBackend)
    return backend.client


both = pytest.mark.parametrize("kind", ["http", "grpc"])


def chunks(*texts: str) -> list[Chunk]:
    return [Chunk("a", index, len(texts), text, {}, "m", "r", 3) for index, text in enumerate(texts)]


def fill(sink: QdrantSink, *texts: str) -> list[int | None]:
    return [one.chunk_index for one in sink.upsert(chunks(*texts), ENCODER.encode_documents(texts))]


@both
@pytest.mark.parametrize("window_records", [100, 1])
def test_a_quota_ends_the_run_after_a_few_requests_with_its_reason(kind: str, window_records: int) -> None:
    with server(kind) as (sink, seen, sizes):
        sink.prepare(ENCODER)
        seen.quota = "Wrong input: Max points count limit exceeded"
        settings = IngestSettings(window_records=window_records)
        with pytest.raises(TargetError, match=r"Max points count limit exceeded.*20 requests in a row") as found:
            ingest(RECORDS, ENCODER, sink, settings=settings, observer=Observer(on_rejected=lambda _: None))
        assert not isinstance(found.value, RefusedContentError)
        assert MOST_REFUSALS <= len(seen.writes) + len(sizes) < MOST_REFUSALS + 4


@both
def test_refusals_between_points_that_are_stored_end_nothing(kind: str) -> None:
    texts = [f"{'poison' if number % 2 else 'text'} {number}" for number in range(80)]
    with server(kind, poison="poison") as (sink, _, _):
        sink.prepare(ENCODER)
        assert fill(sink, *texts) == list(range(1, 80, 2))


@both
def test_a_403_shows_the_servers_reason(kind: str) -> None:
    with server(kind) as (sink, seen, _):
        sink.prepare(ENCODER)
        seen.forbidden = "Forbidden: Write access to collection c is required"
        with pytest.raises(TargetError, match=r"Write access to collection c is required.*No API key was given"):
            fill(sink, "one")


@both
def test_a_run_a_mirror_a_search_and_a_check_keep_to_strict_mode(kind: str) -> None:
    with server(kind, HYBRID) as (sink, seen, sizes):
        seen.strict = STRICT
        ingest(RECORDS, ENCODER, sink)
        assert max([*sizes, *(points for _, points, _ in seen.writes)]) == 7
        assert sum([*sizes, *(points for _, points, _ in seen.writes)]) == 60
        summary = ingest(RECORDS[:57], ENCODER, sink, settings=IngestSettings(mirror=True))
        assert (summary.removed, summary.embedded, summary.unchanged) == (3, 0, 57)
        assert verify(ENCODER, sink).is_sound
        query = ENCODER.encode_queries(["text 7"])[0]
        assert sink.search(query, limit=5, text="text 7")
        assert sink.rankings(query, limit=5, text="text 7").keys() == {"dense", "bm25"}
        assert len(sink.lookup([sink.id_of(one.key, 0) for one in RECORDS])) == 57


INDEXED = StrictModeConfigOutput(enabled=True, unindexed_filtering_retrieve=False)
YEARS = [
    Record(str(year), f"text {year}", {"year": year, "lang": "de", "day": f"202{year}-05-31"}) for year in range(5)
]


def years(sink: QdrantSink, *forms: str, hybrid: bool = False) -> list[str]:
    found = search("text", ENCODER, sink, filter=list(map(parse_condition, forms)), hybrid=hybrid)
    return sorted(hit.source_id for hit in found)


@both
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_filter_by_indexed_fields_asks_strict_mode_for_their_kind_alone(kind: str, *, hybrid: bool) -> None:
    kinds: dict[str, IndexKind] = {"metadata.year": "integer", "metadata.lang": "keyword", "metadata.day": "datetime"}
    with server(kind, CollectionSettings(sparse="bm25", payload_indexes=kinds)) as (sink, seen, _):
        seen.strict = INDEXED
        ingest(YEARS, ENCODER, sink)
        assert years(sink, "year = 3", "lang != 3", hybrid=hybrid) == ["3"]
        assert years(sink, "year >= 3", "lang = de", "record:any(1,4)", hybrid=hybrid) == ["4"]
        assert years(sink, "day = 2023-05-31", hybrid=hybrid) == ["3"]


@both
def test_a_refused_filter_says_how_its_field_is_indexed(kind: str) -> None:
    with server(kind) as (sink, seen, _):
        seen.strict = INDEXED
        ingest(YEARS, ENCODER, sink)
        says = r'required but not found for "metadata.year".*--payload-index metadata.year:integer'
        with pytest.raises(TargetError, match=says) as found:
            years(sink, "year >= 3")
        assert not isinstance(found.value, RefusedContentError)
        with pytest.raises(
            TargetError, match=r"--payload-index metadata.lang:keyword --payload-index metadata.day:datetime"
        ):
            years(sink, "lang = de", "day > 2023-01-01")


def test_a_migration_keeps_to_strict_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []
    with server("http") as (sink, seen, _):
        seen.strict = STRICT
        ingest(RECORDS, ENCODER, sink)
        assert migrate(ENCODER, sink).points == 60
        monkeypatch.setattr(client_of(sink), "update_vectors", lambda _, points, **__: moved.append(len(points)))
        migration = sink.migration(FakeEncoder(16, fingerprint="other"))
        found = [chunk for page in sink.scan() for chunk in page]
        migration.add(found, FakeEncoder(16).encode_documents([chunk.text for chunk in found]))
        assert (max(moved), sum(moved)) == (7, 60)


def test_limits_that_are_switched_off_bind_nobody() -> None:
    with server("http") as (sink, seen, _):
        seen.strict = STRICT.model_copy(update={"enabled": False})
        ingest(RECORDS, ENCODER, sink)
        assert [points for _, points, _ in seen.writes] == [60]


@both
def test_a_sink_that_writes_before_it_has_asked_keeps_to_strict_mode(kind: str) -> None:
    """As one that was unpickled in another process does."""
    with server(kind) as (sink, seen, _):
        seen.strict = STRICT
        sink.prepare(ENCODER)
        again = QdrantSink(ClientBackend(client_of(sink)), "c")
        assert len(fill(again, *(f"text {number}" for number in range(30)))) == 0
        assert again.count() == 30
