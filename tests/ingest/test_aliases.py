"""A collection by another name: an alias, or a snapshot that was restored under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import TargetError
from embed_plugin.ingest import IngestSettings, Record, ingest, migrate, open_sink, search, verify
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from support.targets import Place

ENCODER, NEW = FakeEncoder(), FakeEncoder(24, fingerprint="new" * 10)
RECORDS = [Record(str(number), f"text {number}") for number in range(30)]


@pytest.fixture
def place(any_place: Place) -> Place:
    """A Qdrant whose collection ``notes`` holds the records, and is called ``live`` too."""
    with any_place.opened("notes") as sink:
        ingest(RECORDS, ENCODER, sink)
    with any_place.client() as client:
        alias(client, "live", "notes")
    return any_place


def alias(client: QdrantClient, name: str, collection: str) -> None:
    made = models.CreateAlias(alias_name=name, collection_name=collection)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])


def restore(client: QdrantClient, collection: str, name: str) -> None:
    """Do what recovering a snapshot under another name does: the same points and metadata."""
    config: Any = client.get_collection(collection).config
    client.create_collection(name, vectors_config=config.params.vectors, metadata=config.metadata)
    points, _ = client.scroll(collection, limit=1000, with_payload=True, with_vectors=True)
    made = [models.PointStruct(id=point.id, vector=point.vector, payload=point.payload) for point in points]  # type: ignore[arg-type]
    client.upsert(name, made)


@pytest.mark.parametrize("name", ["live", "restored"])
def test_by_another_name_nothing_is_embedded_again_and_nothing_doubled(place: Place, name: str) -> None:
    with place.client() as client:
        restore(client, "notes", "restored")
    with place.opened(name) as sink:
        planned = ingest(RECORDS[1:], ENCODER, sink, settings=IngestSettings(dry_run=True, mirror=True))
        done = ingest([*RECORDS[1:], Record("more", "one more")], ENCODER, sink, settings=IngestSettings(mirror=True))
        assert (planned.unchanged, planned.removed, planned.embedded) == (29, 1, 0)
        assert (done.unchanged, done.removed, done.embedded) == (29, 1, 1)
        assert (sink.count(), verify(ENCODER, sink).is_sound) == (30, True)
        assert [hit.text for hit in search("one more", ENCODER, sink, limit=1)] == ["one more"]
        assert sink.collection == {"live": "notes"}.get(name, name)


@pytest.mark.parametrize("name", ["live", "restored"])
def test_by_another_name_a_collection_migrates_and_goes_on(place: Place, name: str) -> None:
    with place.client() as client:
        restore(client, "notes", "restored")
    with place.opened(name) as sink:
        assert migrate(NEW, sink, drop_old=True).embedded == 30
    with place.opened(sink.collection) as sink:
        assert ingest(RECORDS, NEW, sink).unchanged == 30
        assert verify(NEW, sink).is_sound
        assert [hit.text for hit in search("text 7", NEW, sink, limit=1)] == ["text 7"]


def test_a_collection_is_not_dropped_by_its_alias(place: Place) -> None:
    with place.opened("live") as sink, pytest.raises(TargetError, match=r"'live' .* is an alias of 'notes'.*dropped"):
        sink.drop()
    with place.opened("notes") as sink:
        assert sink.count() == 30
        sink.drop()
        assert not sink.check(ENCODER)


def test_an_alias_of_an_empty_collection_that_another_program_made_is_taken_over_once(place: Place) -> None:
    with place.client() as client:
        vectors = models.VectorParams(size=32, distance=models.Distance.COSINE)
        client.create_collection("empty", vectors_config=vectors)
        alias(client, "filled", "empty")
    for name, embedded in (("filled", 30), ("empty", 0)):
        with place.opened(name) as sink:
            assert ingest(RECORDS, ENCODER, sink).embedded == embedded


def test_a_key_that_may_not_list_aliases_doubles_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: ClientBackend) -> NoReturn:
        raise TargetError("403 Forbidden")

    monkeypatch.setattr(ClientBackend, "aliases", forbidden)
    with place.opened("live") as sink:
        assert (ingest(RECORDS, ENCODER, sink).unchanged, sink.count()) == (30, 30)
        assert verify(ENCODER, sink).is_sound
        with pytest.raises(TargetError, match="403 Forbidden"):
            migrate(NEW, sink, into="notes-2", alias="other")
        assert sink.collections() == ["notes"]


def test_an_edge_folder_under_another_name_is_known_again(tmp_path: Path) -> None:
    with open_sink(f"edge:{tmp_path / 'store'}", "notes") as sink:
        ingest(RECORDS, ENCODER, sink)
    (tmp_path / "store" / "notes").rename(tmp_path / "store" / "restored")
    with open_sink(f"edge:{tmp_path / 'store'}", "restored") as sink:
        assert ingest(RECORDS, ENCODER, sink).unchanged == 30
        assert verify(ENCODER, sink).is_sound
