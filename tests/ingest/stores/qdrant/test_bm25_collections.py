"""The settings of BM25 in a collection's identity, over every kind of target."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin.errors import SpaceMismatchError
from embed_plugin.ingest import Chunk, CollectionSettings, QdrantSink, ingest, migrate, open_sink, search, verify
from embed_plugin.ingest.records import Record
from embed_plugin.ingest.stores.qdrant.bm25 import bm25_of
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.testing import FakeEncoder
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.qdrant.backend import Backend

ENCODER = FakeEncoder()
GERMAN = CollectionSettings(sparse="bm25", sparse_language="german", bm25_k=0.9, bm25_b=0.5, bm25_mean_words=40.5)
STATED = {"version": 2, "language": "german", "k": 0.9, "b": 0.5, "mean_words": 40.5}
FILLERS = [f"filler {number}" for number in range(30)]


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Backend]:
    if kind in {"http", "grpc"}:
        with misbehaving_qdrant() as (url, seen), grpc_qdrant(seen.engine, behaviour=seen) as (port, _):
            yield ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=port))
    else:
        target = {"memory": ":memory:", "folder": str(folder / "qdrant"), "edge": f"edge:{folder / 'edge'}"}[kind]
        with open_sink(target, "c") as sink:
            yield sink._backend


@pytest.fixture(params=["memory", "folder", "edge", "http", "grpc"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with opened(request.param, tmp_path) as made:
        yield made


def fill(sink: QdrantSink, *texts: str) -> None:
    sink.prepare(ENCODER)
    chunks = [Chunk("a", index, len(texts), text, {}, "m", "r", 3) for index, text in enumerate(texts)]
    sink.upsert(chunks, ENCODER.encode_documents(texts))


def found(sink: QdrantSink, text: str, *, limit: int = 2) -> list[str]:
    far = ENCODER.encode_queries(["unrelated"])[0]
    assert sink.check(ENCODER)
    return [chunk.text for _, chunk in sink.search(far, limit=limit, text=text)]


def identity_of(backend: Backend, collection: str = "c") -> CollectionIdentity:
    description = backend.describe(collection)
    assert description
    assert description.identity
    return description.identity


def state(backend: Backend, **fields: Any) -> None:  # noqa: ANN401 - what a release wrote
    """Write another identity on the collection, as another release might have."""
    backend.update("c", type(identity_of(backend))(**{**vars(identity_of(backend)), **fields}))


def test_a_collection_states_every_setting_and_is_searched_with_them(backend: Backend) -> None:
    fill(QdrantSink(backend, "c", settings=GERMAN), "die alten Häuser", "ein Hund schläft", *FILLERS)
    assert (identity_of(backend).sparse, identity_of(backend).sparse_settings) == ("bm25", STATED)
    assert "die alten Häuser" in found(QdrantSink(backend, "c"), "das Haus")


def test_part_of_a_chinese_text_is_found_by_its_words(backend: Backend) -> None:
    fill(QdrantSink(backend, "c", settings=CollectionSettings(sparse="bm25")), "我明天去北京大学上课。", *FILLERS)
    assert "我明天去北京大学上课。" in found(QdrantSink(backend, "c"), "北京")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sparse_language": "english"}, "BM25 with the language german, expected english"),
        ({"bm25_k": 1.2}, "BM25 with the k 0.9, expected 1.2"),
        ({"bm25_b": 0.0}, "BM25 with the b 0.5, expected 0.0"),
        ({"bm25_mean_words": 256}, "BM25 with the mean number of words 40.5, expected 256"),
    ],
)
def test_other_settings_are_refused_by_name(backend: Backend, given: dict[str, Any], says: str) -> None:
    QdrantSink(backend, "c", settings=GERMAN).prepare(ENCODER)
    other = QdrantSink(backend, "c", settings=CollectionSettings(sparse="bm25", **given))
    with pytest.raises(SpaceMismatchError, match=says):
        other.prepare(ENCODER)
    with pytest.raises(SpaceMismatchError, match=says):
        search("Haus", ENCODER, other, hybrid=True)


def test_settings_that_are_not_given_are_the_collections(backend: Backend) -> None:
    QdrantSink(backend, "c", settings=GERMAN).prepare(ENCODER)
    fill(QdrantSink(backend, "c", settings=CollectionSettings(sparse="bm25", bm25_k=0.9)), "Häuser", *FILLERS)
    assert "Häuser" in found(QdrantSink(backend, "c"), "Haus")
    assert identity_of(backend).sparse_settings == STATED


def test_a_collection_of_an_earlier_release_keeps_its_tokens(backend: Backend) -> None:
    sink = QdrantSink(backend, "c", settings=CollectionSettings(sparse="bm25"))
    sink.prepare(ENCODER)
    state(backend, sparse_settings={})
    later = QdrantSink(backend, "c", settings=CollectionSettings(sparse="bm25", sparse_language="english"))
    fill(later, "北京大学", "running foxes", *FILLERS)
    assert "北京大学" in found(later, "北京大学")
    assert "running foxes" in found(later, "run fox")
    bm25 = bm25_of(identity_of(backend))
    assert bm25
    assert len(bm25.document("北京大学").indices) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"sparse_settings": {**STATED, "version": 3}},
            "another release.*version 3 of BM25's tokens, expected 1",
        ),
        ({"sparse_settings": {**STATED, "delta": 1}}, "another release.*delta"),
        ({"sparse": "0123abc"}, "sparse vectors of the model 0123abc, and no model"),
    ],
)
def test_sparse_vectors_of_a_later_release_are_neither_written_nor_searched(
    backend: Backend, fields: dict[str, Any], says: str
) -> None:
    fill(QdrantSink(backend, "c", settings=GERMAN), "one")
    state(backend, **fields)
    with pytest.raises(SpaceMismatchError, match=says):
        QdrantSink(backend, "c").prepare(ENCODER)
    with pytest.raises(SpaceMismatchError, match=says):
        search("one", ENCODER, QdrantSink(backend, "c"), hybrid=True)


def test_a_copy_for_another_model_keeps_the_settings(backend: Backend) -> None:
    new = FakeEncoder(16, fingerprint="new")
    records = [Record("1", "alte Häuser"), *(Record(text, text) for text in FILLERS)]
    sink = QdrantSink(backend, "c", settings=GERMAN)
    ingest(records, ENCODER, sink)
    migrate(new, sink, into="copy")
    copy = QdrantSink(backend, "copy")
    assert (verify(new, copy).is_sound, ingest(records, new, copy).unchanged) == (True, 31)
    assert identity_of(backend, "copy").sparse_settings == identity_of(backend).sparse_settings == STATED
    assert "alte Häuser" in [hit.text for hit in search("Haus", new, copy, hybrid=True)]


@pytest.mark.parametrize("kind", ["memory", "edge"])
def test_a_migration_in_place_keeps_the_settings(kind: str, tmp_path: Path) -> None:
    new = FakeEncoder(16, fingerprint="new")
    with opened(kind, tmp_path) as backend:
        sink = QdrantSink(backend, "c", settings=GERMAN)
        ingest([Record("1", "alte Häuser"), *(Record(text, text) for text in FILLERS)], ENCODER, sink)
        assert migrate(new, sink).embedded == 31
        assert identity_of(backend).sparse_settings == STATED
        assert "alte Häuser" in [hit.text for hit in search("Haus", new, sink, hybrid=True)]


def test_adopting_it_again_keeps_the_settings(backend: Backend) -> None:
    sink = QdrantSink(backend, "c", settings=GERMAN)
    fill(sink, "alte Häuser", *FILLERS)
    assert not sink.adopt(ENCODER).adopted
    assert identity_of(backend).sparse_settings == STATED
