from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import TargetError
from embed_plugin.ingest import (
    CollectionSettings,
    Record,
    StoredCollections,
    WithIds,
    collection_status,
    delete,
    ingest,
    list_collections,
    open_collections,
    open_sink,
)
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder
from ingest.upkeep.conftest import RECORDS
from support.every_target import open_kind

if TYPE_CHECKING:
    from pathlib import Path


def test_points_records_sources_and_the_space_are_read(stored: StoredCollections) -> None:
    found = collection_status(stored, "notes")
    assert (found.collection, found.origin, found.points, found.records) == ("notes", "ingest", 8, 5)
    assert [(one.name, one.root, one.records, one.chunks) for one in found.sources] == [
        ("a", "/roots/a", 4, 7),
        ("b", "/roots/b", 1, 1),
    ]
    (dense,) = found.vectors
    assert (dense.kind, dense.fingerprint, dense.dimension, dense.distance) == ("dense", "fake", 32, "cosine")
    assert (found.layout, found.context, found.migrating_to, found.bulk_load) == ("plain", "none", None, False)
    assert found.longest_characters > found.mean_characters > 0


def test_every_collection_is_listed_in_short(stored: StoredCollections) -> None:
    (entry,) = list_collections(stored)
    assert (entry.name, entry.points, entry.dimension, entry.fingerprint) == ("notes", 8, 32, "fake")


def test_other_vectors_and_the_choices_of_a_collection_are_shown() -> None:
    settings = CollectionSettings(sparse="bm25", bm25_k=1.5, layout="langchain", context="title-and-headings")
    with open_sink(":memory:", "notes", settings=settings) as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        found = collection_status(StoredCollections(sink._backend), "notes")
    assert (found.layout, found.context, found.bytes_on_disk) == ("langchain", "title-and-headings", None)
    words = found.vectors[1]
    assert (words.kind, words.name, words.settings["k"], words.fingerprint) == ("bm25", "bm25", 1.5, "")


def test_a_migration_under_way_is_shown() -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        sink.migration(FakeEncoder(fingerprint="other")).start()
        assert collection_status(StoredCollections(sink._backend), "notes").migrating_to == "other"


@pytest.mark.parametrize("kind", ["folder", "edge"])
def test_the_size_on_disk_is_that_of_the_collections_folder(kind: str, tmp_path: Path) -> None:
    for collection, copies in (("small.one", 1), ("a large one", 40)):
        with open_kind(kind, tmp_path, collection) as sink:
            for number in range(copies):
                ingest([Record(f"long {number}", "word " * 400)], FakeEncoder(), sink)
    with open_collections(str(tmp_path / ("edge" if kind == "edge" else "qdrant"))) as stored:
        small, large = (collection_status(stored, name).bytes_on_disk for name in ("small.one", "a large one"))
    assert small is not None
    assert large is not None
    assert 0 < small < large


def test_a_collection_of_another_program_is_described_by_its_vectors() -> None:
    client = QdrantClient(":memory:")
    client.create_collection("theirs", {"text": models.VectorParams(size=4, distance=models.Distance.DOT)})
    client.upsert("theirs", [models.PointStruct(id=1, vector={"text": [1.0, 0, 0, 0]}, payload={"page": 3})])
    found = collection_status(StoredCollections(ClientBackend(client)), "theirs")
    assert (found.origin, found.points, found.records, found.foreign_points) == ("another program", 1, 0, 1)
    assert [(one.name, one.dimension, one.distance) for one in found.vectors] == [("text", 4, "dot")]


def test_a_collection_of_another_release_is_told_from_that_of_another_program() -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        stored = StoredCollections(sink._backend)
        identity = stored.describe("notes").identity
        assert identity
        sink._backend.update("notes", replace(identity, schema=99))
        (entry,) = list_collections(stored)
        found = collection_status(stored, "notes")
        with pytest.raises(TargetError, match="was not made by this release of ingest"):
            delete(stored, "notes", [WithIds(["r0"])])
    assert (entry.origin, entry.fingerprint, found.origin) == ("another release", None, "another release")


def test_an_alias_stands_for_its_collection() -> None:
    client = QdrantClient(":memory:")
    backend = ClientBackend(client)
    client.create_collection("notes-2", models.VectorParams(size=4, distance=models.Distance.COSINE))
    backend.point_alias("live", "notes-2")
    found = collection_status(StoredCollections(backend), "live")
    assert (found.collection, list(found.aliases)) == ("notes-2", ["live"])


def test_a_folder_that_is_not_there_has_no_collections_and_is_not_made(tmp_path: Path) -> None:
    for target in (str(tmp_path / "absent"), f"edge:{tmp_path / 'absent'}"):
        with open_collections(target) as stored:
            assert list_collections(stored) == []
            with pytest.raises(TargetError, match=r"has no collection 'c'. It has none: ingest into it first"):
                collection_status(stored, "c")
    assert list(tmp_path.iterdir()) == []


def test_a_collection_that_another_process_has_open_is_listed_without_its_points(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge")
    with open_kind("edge", tmp_path) as sink:
        ingest(RECORDS, FakeEncoder(), sink)
        with open_collections(f"edge:{tmp_path / 'edge'}") as stored:
            (entry,) = list_collections(stored)
    assert (entry.name, entry.points, entry.dimension) == ("notes", None, 32)
    assert "it is open already" in entry.problem
