"""The contract of a sink, over every kind of target.

``http`` and ``grpc`` are servers on loopback whose engine is qdrant-client's own; ``rest-server`` and ``grpc-server``
are a real one, at QDRANT_URL or started from the PATH.
"""

from __future__ import annotations

import pickle
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import Chunk, CollectionSettings, QdrantSink, Record, open_sink
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.stores.payload_layout import LayoutName
from embed_plugin.ingest.stores.qdrant.client import backend as module
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.ingest.stores.qdrant.edge.collection import payload_indexes
from embed_plugin.testing import FakeEncoder
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENCODER = FakeEncoder()
SERVERS = [pytest.param(kind, marks=pytest.mark.server) for kind in ("rest-server", "grpc-server")]


def open_kind(kind: str, tmp_path: Path, collection: str, settings: CollectionSettings | None = None) -> QdrantSink:
    """A sink over the kind of engine that a test is for."""
    target = {"memory": ":memory:", "folder": str(tmp_path / "qdrant"), "edge": f"edge:{tmp_path / 'edge'}"}[kind]
    return open_sink(target, collection, settings=settings)


@contextmanager
def loopback(kind: str) -> Iterator[ClientBackend]:
    """A server on loopback, with or without gRPC."""
    with misbehaving_qdrant() as (url, behaviour), grpc_qdrant(behaviour.engine, behaviour=behaviour) as (port, _):
        yield ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=port))


@pytest.fixture(params=["memory", "folder", "edge", "http", "grpc", *SERVERS])
def open_with(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., QdrantSink]]:
    """Open a new collection with settings; removed at the end."""
    opened: list[QdrantSink] = []
    servers = ExitStack()

    def open_new(settings: CollectionSettings | None = None) -> QdrantSink:
        collection = f"test-{uuid.uuid4()}"
        if request.param in {"http", "grpc"}:
            backend = servers.enter_context(loopback(request.param))
            assert backend._grpc == (request.param == "grpc")
            opened.append(QdrantSink(backend, collection, settings=settings))
        elif request.param.endswith("-server"):
            url = request.getfixturevalue("qdrant_url")
            backend = ClientBackend(open_client(url, prefer_grpc=request.param == "grpc-server"))
            opened.append(QdrantSink(backend, collection, settings=settings))
        else:
            opened.append(open_kind(request.param, tmp_path / str(len(opened)), collection, settings))
        return opened[-1]

    with servers:
        yield open_new
        for sink in opened:
            if sink._backend.describe(sink.collection):
                sink._backend.drop(sink.collection)
            sink.close()


@pytest.fixture
def sink(open_with: Callable[..., QdrantSink]) -> QdrantSink:
    return open_with()


@pytest.fixture
def client_sink() -> Iterator[tuple[QdrantSink, QdrantClient]]:
    """A sink whose collection a test makes itself, as somebody else would."""
    client = QdrantClient(":memory:")
    with QdrantSink(ClientBackend(client), "c") as sink:
        yield sink, client


def chunks(*texts: str, metadata_hash: str = "m") -> list[Chunk]:
    return [
        Chunk("a", index, len(texts), text, {"n": index}, metadata_hash, "r", 3) for index, text in enumerate(texts)
    ]


def fill(sink: QdrantSink, *texts: str) -> list[str]:
    sink.prepare(ENCODER)
    sink.upsert(chunks(*texts), ENCODER.encode_documents(texts))
    return [sink.id_of(chunk.key, chunk.index) for chunk in chunks(*texts)]


@pytest.mark.parametrize("layout", ["plain", "llama-index"])
@pytest.mark.parametrize("kind", ["list", "object"])
def test_metadata_of_64_levels_and_64_bits_is_stored_and_read_as_it_is(
    open_with: Callable[..., QdrantSink], kind: str, layout: LayoutName
) -> None:
    value: object = [2**63 - 1, -(2**63)]
    for _ in range(62):
        value = [value] if kind == "list" else {"k": value}
    record = Record("a", "one", {"deep": value})  # type: ignore[dict-item]
    sink = open_with(CollectionSettings(layout=layout))
    sink.prepare(ENCODER)
    chunk = Chunk("a", 0, 1, "one", record.metadata, record.metadata_hash, "r", 3)
    assert sink.upsert([chunk], ENCODER.encode_documents(["one"])) == []
    sink.set_metadata([chunk])
    ((stored,),) = sink.scan(with_vectors=True)
    assert stored.metadata["deep"] == record.metadata["deep"]
    ((_, found),) = sink.search(ENCODER.encode_queries(["one"])[0], limit=1)
    assert found.metadata["deep"] == record.metadata["deep"]


def test_a_collection_appears_when_it_is_prepared_and_stays(sink: QdrantSink) -> None:
    assert not sink.check(ENCODER)
    sink.prepare(ENCODER)
    sink.prepare(ENCODER)
    assert sink.check(ENCODER)
    assert sink.collection in sink.collections()


def test_lookup_tells_what_stored_chunks_were_made_from(sink: QdrantSink) -> None:
    ids = fill(sink, "one", "two")
    stored = sink.lookup([*ids, str(uuid.uuid4())])
    assert stored == {
        point: (chunk.text_hash, "r", "m", 2) for point, chunk in zip(ids, chunks("one", "two"), strict=True)
    }


def test_points_are_retrieved_with_their_vectors_and_without_their_texts(sink: QdrantSink) -> None:
    fill(sink, "one", "two")
    ids = [sink.id_of(chunks("one")[0].key, index) for index in range(3)]
    found = {chunk.id: chunk for chunk in sink.retrieve(ids, with_vectors=True)}
    assert found.keys() == set(ids[:2])
    assert [(found[one].source_id, found[one].index, found[one].text) for one in ids[:2]] == [
        ("a", 0, ""),
        ("a", 1, ""),
    ]
    for one, text in zip(ids, ("one", "two"), strict=False):
        assert found[one].stored.text_hash == chunks(text)[0].text_hash
        assert found[one].vector == pytest.approx(ENCODER.encode_documents([text])[0], abs=1e-6)
    assert [chunk.vector for chunk in sink.retrieve(ids)] == [None, None]
    assert sink.retrieve([]) == []


def test_more_points_than_one_request_takes_all_arrive(sink: QdrantSink) -> None:
    ids = fill(sink, *(f"text {number}" for number in range(1100)))
    assert sink.count() == len(sink.lookup(ids)) == 1100


def test_search_returns_the_nearest_chunk_first_with_all_that_was_stored(sink: QdrantSink) -> None:
    fill(sink, "one", "two", "three")
    found = sink.search(ENCODER.encode_queries(["two"])[0], limit=2)
    score, chunk = found[0]
    assert score == pytest.approx(1.0, abs=1e-5)
    assert len(found) == 2
    assert (chunk.source_id, chunk.index, chunk.text, chunk.metadata) == (
        "a",
        1,
        "two",
        {"record_id": "a", "chunk": 1, "n": 1},
    )


def test_metadata_is_replaced_and_the_vector_stays(sink: QdrantSink) -> None:
    ids = fill(sink, "one")
    sink.set_metadata([Chunk("a", 0, 4, "one", {"new": True}, "n", "r", 3)])
    ((score, chunk),) = sink.search(ENCODER.encode_queries(["one"])[0], limit=1)
    assert score == pytest.approx(1.0, abs=1e-5)
    assert (dict(chunk.metadata), chunk.text) == ({"record_id": "a", "chunk": 0, "new": True}, "one")
    assert sink.lookup(ids)[ids[0]][1:] == ("r", "n", 4)


def test_deleted_points_are_gone_and_missing_ones_no_error(sink: QdrantSink) -> None:
    ids = fill(sink, "one", "two")
    sink.delete([ids[0], str(uuid.uuid4())])
    assert list(sink.lookup(ids)) == ids[1:]


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        (FakeEncoder(fingerprint="other"), "vectors of the space fake, expected the model's space other"),
        (FakeEncoder(16), "dimension 32, expected the model's 16"),
    ],
)
def test_another_space_is_refused(sink: QdrantSink, encoder: FakeEncoder, says: str) -> None:
    sink.prepare(ENCODER)
    for refused in (sink.prepare, sink.check):
        with pytest.raises(SpaceMismatchError, match=f"{says}.*name another collection"):
            refused(encoder)


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (models.VectorParams(size=32, distance=models.Distance.DOT), "the distance dot, expected cosine"),
        ({"named": models.VectorParams(size=32, distance=models.Distance.COSINE)}, "named or sparse vectors"),
    ],
)
def test_a_collection_of_another_kind_is_refused(
    client_sink: tuple[QdrantSink, QdrantClient], vectors: models.VectorParams, says: str
) -> None:
    sink, client = client_sink
    client.create_collection(sink.collection, vectors_config=vectors)
    with pytest.raises(SpaceMismatchError, match=says):
        sink.prepare(ENCODER)


def test_a_foreign_collection_is_taken_over_only_while_it_is_empty(
    client_sink: tuple[QdrantSink, QdrantClient],
) -> None:
    sink, client = client_sink
    client.create_collection("c", vectors_config=models.VectorParams(size=32, distance=models.Distance.COSINE))
    client.upsert("c", [models.PointStruct(id=1, vector=[1.0] * 32)])
    with pytest.raises(SpaceMismatchError, match="points of unknown origin"):
        sink.prepare(ENCODER)
    client.delete("c", models.PointIdsList(points=[1]))
    sink.prepare(ENCODER)
    with pytest.raises(SpaceMismatchError, match="the space fake"):
        sink.check(FakeEncoder(fingerprint="other"))


def test_a_foreign_collection_is_not_taken_over_for_sparse_vectors(
    client_sink: tuple[QdrantSink, QdrantClient],
) -> None:
    sink, client = client_sink
    client.create_collection("c", vectors_config=models.VectorParams(size=32, distance=models.Distance.COSINE))
    with pytest.raises(SpaceMismatchError, match="no sparse vectors of ours"):
        QdrantSink(sink._backend, "c", settings=CollectionSettings(sparse="bm25")).prepare(ENCODER)


def test_a_payload_of_another_time_is_refused(client_sink: tuple[QdrantSink, QdrantClient]) -> None:
    sink, client = client_sink
    vectors = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("c", vectors_config=vectors, metadata={"embed_plugin": {"schema": 99}})
    with pytest.raises(SpaceMismatchError, match="schema 99 of embed-plugin's payload, expected schema 2"):
        sink.check(ENCODER)


def test_an_identity_without_a_layout_is_plain(client_sink: tuple[QdrantSink, QdrantClient]) -> None:
    sink, client = client_sink
    vectors = models.VectorParams(size=32, distance=models.Distance.COSINE)
    identity = {"fingerprint": "fake", "dimension": 32, "schema": 2}
    client.create_collection("c", vectors_config=vectors, metadata={"embed_plugin": identity})
    assert fill(sink, "one")
    assert next(iter(sink.scan()))[0].text == "one"


@pytest.mark.parametrize("layout", get_args(LayoutName))
def test_every_layout_is_read_by_whoever_opens_the_collection_later(
    open_with: Callable[..., QdrantSink], layout: LayoutName
) -> None:
    made = open_with(CollectionSettings(layout=layout))
    fill(made, "one", "two")
    later = QdrantSink(made._backend, made.collection)
    ((_, found),) = later.search(ENCODER.encode_queries(["two"])[0], limit=1)
    assert (found.text, found.metadata, found.source_id) == ("two", {"record_id": "a", "chunk": 1, "n": 1}, "a")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (CollectionSettings(layout="langchain"), "the payload layout plain, expected langchain"),
        (CollectionSettings(distance="dot"), "the distance cosine, expected dot"),
        (CollectionSettings(sparse="bm25"), "no sparse vectors, expected sparse vectors of bm25"),
    ],
)
def test_a_collection_made_with_other_choices_is_refused(
    sink: QdrantSink, settings: CollectionSettings, says: str
) -> None:
    sink.prepare(ENCODER)
    with pytest.raises(SpaceMismatchError, match=says):
        QdrantSink(sink._backend, sink.collection, settings=settings).prepare(ENCODER)


@pytest.mark.parametrize("distance", ["cosine", "dot", "euclid"])
def test_every_distance_finds_the_nearest_first(open_with: Callable[..., QdrantSink], distance: str) -> None:
    sink = open_with(CollectionSettings(distance=distance))  # type: ignore[arg-type]
    fill(sink, "one", "two", "three")
    found = sink.search(ENCODER.encode_queries(["two"])[0], limit=3)
    assert next(chunk.text for _, chunk in found) == "two"
    assert sink.check(ENCODER)


def test_a_scan_shows_every_point_once_with_its_vector(sink: QdrantSink) -> None:
    texts = [f"text {number}" for number in range(1100)]
    fill(sink, *texts)
    found = {chunk.index: chunk for page in sink.scan(with_vectors=True) for chunk in page}
    assert [found[index].text for index in range(1100)] == texts
    assert found[7].stored == (chunks(*texts)[7].text_hash, "r", "m", 1100)
    vectors = np.stack([np.asarray(found[index].vector) for index in range(1100)])
    assert vectors == pytest.approx(ENCODER.encode_documents(texts), abs=1e-6)


def test_a_scan_without_vectors_brings_none(sink: QdrantSink) -> None:
    fill(sink, "one")
    ((chunk,),) = sink.scan()
    assert (chunk.text, chunk.vector) == ("one", None)


def test_a_vector_that_is_not_finite_is_rejected_and_the_others_are_stored(sink: QdrantSink) -> None:
    sink.prepare(ENCODER)
    vectors = ENCODER.encode_documents(["one", "two", "three"])
    vectors[1, 5] = np.nan
    (rejected,) = sink.upsert(chunks("one", "two", "three"), vectors)
    assert (rejected.source_id, rejected.chunk_index) == ("a", 1)
    assert "no finite number" in rejected.reason
    assert sink.count() == 2


def test_threads_that_write_and_read_at_once_lose_nothing(sink: QdrantSink) -> None:
    sink.prepare(ENCODER)

    def write(number: int) -> int:
        texts = [f"{number} {index}" for index in range(20)]
        some = [Chunk(str(number), index, 20, text, {}, "m", "r", 3) for index, text in enumerate(texts)]
        sink.upsert(some, FakeEncoder().encode_documents(texts))
        sink.delete([sink.id_of(record_key("", str(number)), 19)])
        return len(sink.lookup([sink.id_of(record_key("", str(number)), index) for index in range(20)]))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(16))) == {19}
    assert sink.count() == 16 * 19


def test_a_collection_that_was_dropped_can_be_made_for_another_space(sink: QdrantSink) -> None:
    fill(sink, "one")
    other = FakeEncoder(16, fingerprint="other")
    sink.drop()
    assert not sink.check(other)
    sink.prepare(other)
    assert (sink.count(), sink.check(other)) == (0, True)


def test_a_hybrid_search_finds_by_words_what_vectors_do_not(open_with: Callable[..., QdrantSink]) -> None:
    sink = open_with(CollectionSettings(sparse="bm25"))
    fill(sink, "a fox jumped", "the dogs sleep", *(f"filler {number}" for number in range(30)))
    far = ENCODER.encode_queries(["unrelated"])[0]
    found = [chunk.text for _, chunk in sink.search(far, limit=2, text="sleeping dog")]
    assert "the dogs sleep" in found
    ((chunk, *_),) = [page[:1] for page in sink.scan(with_vectors=True)][:1]
    assert chunk.vector is not None
    assert chunk.vector.shape == (32,)


def test_a_hybrid_search_without_sparse_vectors_is_refused(sink: QdrantSink) -> None:
    fill(sink, "one")
    with pytest.raises(TargetError, match=r"no sparse vectors.*--sparse bm25"):
        sink.search(ENCODER.encode_queries(["one"])[0], limit=1, text="one")


@pytest.mark.parametrize("kind", ["folder", "edge"])
def test_points_and_identity_survive_closing_the_folder(tmp_path: Path, kind: str) -> None:
    with open_kind(kind, tmp_path, "c d.x") as sink:
        ids = fill(sink, "one")
    with open_kind(kind, tmp_path, "c d.x") as sink:
        assert sink.collections() == ["c d.x"]
        assert list(sink.lookup(ids)) == ids
        with pytest.raises(SpaceMismatchError):
            sink.check(FakeEncoder(fingerprint="other"))


def test_what_was_stored_before_an_error_is_there_without_waiting_for_an_index(tmp_path: Path) -> None:
    interrupted = open_kind("edge", tmp_path, "c")
    ids = fill(interrupted, "one")
    interrupted.__exit__(KeyboardInterrupt)
    with open_kind("edge", tmp_path, "c") as sink:
        assert list(sink.lookup(ids)) == ids


@pytest.mark.parametrize("settings", [{"shards": 0}, {"hnsw_m": -1}, {"hnsw_ef_construct": 1}])
def test_a_setting_out_of_range_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        CollectionSettings(**settings)  # type: ignore[arg-type]


def test_what_an_engine_has_not_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=":memory: has no quantisation, shards: leave that out"):
        open_sink(":memory:", "c", settings=CollectionSettings(shards=2, quantisation="scalar"))
    with pytest.raises(InvalidInputError, match="has no replication factor"):
        open_sink(f"edge:{tmp_path / 'e'}", "c", settings=CollectionSettings(replication_factor=2))


def test_a_full_disk_is_an_error_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with open_sink(":memory:", "c") as sink:
        sink.prepare(ENCODER)
        monkeypatch.setattr(QdrantClient, "upsert", full)
        with pytest.raises(TargetError, match=r"No space left on device.*Check that the disk has room"):
            sink.upsert(chunks("one"), np.ones((1, 32), dtype=np.float32))


def test_too_many_points_for_embedded_qdrant_are_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCAL_POINTS", 1)
    with open_sink(":memory:", "c") as sink, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fill(sink, "one", "two")
        fill(sink, "three", "four")
    assert [str(warning.message)[:26] for warning in caught] == [":memory: now holds 2 point"]


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_sink_of_a_server_is_pickled_and_connects_the_same_way_again(kind: str) -> None:
    with misbehaving_qdrant() as (url, server), grpc_qdrant(server.engine) as (port, _):
        client = open_client(url, prefer_grpc=kind == "grpc", grpc_port=port, api_key="key", timeout_seconds=7)
        with QdrantSink(ClientBackend(client, target=url), "c") as sink:
            fill(sink, "one", "two")
            with pickle.loads(pickle.dumps(sink)) as copy:  # noqa: S301 - our own bytes
                assert (copy.collection, copy.target, copy.check(ENCODER), copy.count()) == ("c", url, True, 2)
                assert copy._backend._grpc == (kind == "grpc")
                assert copy._backend.client.init_options["timeout"] == 7
            assert kind == "grpc" or server.api_keys == {"key"}


def test_a_bulk_load_is_ended_by_the_sink_and_not_by_its_copies() -> None:
    with (
        misbehaving_qdrant() as (url, server),
        open_sink(url, "c", settings=CollectionSettings(bulk_load=True, sparse="bm25")) as sink,
    ):
        sink.prepare(ENCODER)
        with pickle.loads(pickle.dumps(sink)) as copy:  # noqa: S301 - our own bytes
            assert copy.check(ENCODER)
        assert server.indexing_threshold == 0


@pytest.mark.parametrize("kind", ["memory", "folder", "edge"])
def test_what_one_process_has_open_is_not_pickled(kind: str, tmp_path: Path) -> None:
    with open_kind(kind, tmp_path, "c") as sink, pytest.raises(TargetError, match=r"one process only.*Qdrant server"):
        pickle.dumps(sink)


@pytest.mark.parametrize(
    ("layout", "keys"),
    [("plain", {"source_id"}), ("langchain", {"source_id"}), ("llama-index", {"source_id", "doc_id"})],
)
def test_what_a_store_filters_by_is_indexed(layout: LayoutName, keys: set[str]) -> None:
    with misbehaving_qdrant() as (url, server):
        with open_sink(url, "c", settings=CollectionSettings(layout=layout)) as sink:
            sink.prepare(ENCODER)
        assert server.indexes == dict.fromkeys(keys, "keyword")


def test_edge_indexes_what_a_store_filters_by(tmp_path: Path) -> None:
    settings = CollectionSettings(layout="llama-index", payload_indexes={"page": "integer"})
    assert {*payload_indexes(settings)} == {"source_id", "doc_id", "page"}
    with open_sink(f"edge:{tmp_path / 'edge'}", "c", settings=settings) as sink:
        sink.prepare(ENCODER)
        shard = sink._backend._shard("c")  # type: ignore[attr-defined]
        assert {*shard.info().payload_schema} == {"source_id", "doc_id", "page"}
