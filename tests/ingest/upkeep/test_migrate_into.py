"""A migration into a second collection, and the alias that is switched to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import CollectionSettings, QdrantSink, Record, ingest, migrate, open_sink, search, verify
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder
from ingest.upkeep.test_migrate import Stops, StopsError
from support.frameworks import add_nodes, langchain_store, llama_index_store, nearest_of
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.ingest import LayoutName
    from support.targets import Place

OLD, NEW = FakeEncoder(32, fingerprint="old" * 10), FakeEncoder(24, fingerprint="new" * 10)
RECORDS = [Record(str(number), f"text {number}", {"page": number}) for number in range(1200)]


@pytest.fixture
def place(any_place: Place) -> Place:
    """A Qdrant whose collection ``docs-1`` holds the records and two points with whole numbers as ids."""
    with any_place.opened("docs-1") as sink:
        ingest(RECORDS, OLD, sink)
    with any_place.client() as client:
        vectors = OLD.encode_documents(["theirs 1", "theirs 2"]).tolist()
        payloads: list[dict[str, object]] = [{"text": "theirs 1", "kept": {"as": ["it", "is"]}}, {"text": "theirs 2"}]
        client.upsert("docs-1", models.Batch(ids=[1, 2], vectors=vectors, payloads=payloads))
    return any_place


def payloads_of(client: QdrantClient, collection: str) -> dict[object, object]:
    points, _ = client.scroll(collection, limit=2000, with_payload=True)
    return {point.id: point.payload for point in points}


def collection_of(client: QdrantClient, alias: str) -> str | None:
    return {one.alias_name: one.collection_name for one in client.get_aliases().aliases}.get(alias)


def test_every_point_is_copied_with_a_new_vector_and_the_alias_goes_over(place: Place) -> None:
    with place.client() as client:
        alias(client, "docs", "docs-1")
    with place.opened("docs") as sink:
        summary = migrate(NEW, sink, into="docs-2", alias="docs")
        assert (summary.points, summary.embedded, summary.dropped, summary.without_text) == (1202, 1202, (), 0)
        assert summary.opened_by == 'client.query_points("docs", query=vector)'
    with place.client() as client:
        assert payloads_of(client, "docs-2") == payloads_of(client, "docs-1")
        assert collection_of(client, "docs") == "docs-2"
        vectors: Any = client.get_collection("docs-2").config.params.vectors
        assert vectors.size == 24
    with place.opened("docs") as sink:
        assert ingest([*RECORDS, Record("more", "one more")], NEW, sink).embedded == 1
        assert [hit.text for hit in search("theirs 2", NEW, sink, limit=1)] == ["theirs 2"]
        checked = verify(NEW, sink)
        assert (checked.is_sound, checked.points, checked.foreign) == (True, 1203, 2)
    with place.opened("docs-1") as sink:
        assert (ingest(RECORDS, OLD, sink).unchanged, verify(OLD, sink).is_sound) == (1200, True)


def alias(client: QdrantClient, name: str, collection: str) -> None:
    made = models.CreateAlias(alias_name=name, collection_name=collection)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])


def test_a_stopped_copy_goes_on_where_it_was_and_is_written_by_nobody_else(place: Place) -> None:
    with place.opened("docs-1") as sink, pytest.raises(StopsError):
        migrate(Stops(24, fingerprint=NEW.fingerprint), sink, into="docs-2", alias="docs")
    with place.client() as client:
        assert collection_of(client, "docs") is None
    with place.opened("docs-2") as sink, pytest.raises(SpaceMismatchError, match="a migration under way"):
        ingest(RECORDS, NEW, sink)
    with place.opened("docs-1") as sink:
        ingest([*RECORDS[1:], Record("0", "another text now")], OLD, sink)
        sink.delete([sink.id_of(record.key, 0) for record in RECORDS[100:1100]])
        summary = migrate(NEW, sink, into="docs-2", alias="docs")
    assert 0 < summary.embedded < 202
    with place.opened("docs") as sink:
        assert (sink.count(), verify(NEW, sink).is_sound) == (202, True)
        assert search("another text now", NEW, sink, limit=1)[0].text == "another text now"


def test_a_finished_copy_is_not_copied_again_and_an_alias_can_come_later(place: Place) -> None:
    with place.opened("docs-1") as sink:
        assert migrate(NEW, sink, into="docs-2").opened_by == 'client.query_points("docs-2", query=vector)'
    with place.opened("docs-2") as sink:
        ingest([Record("0", "newer here")], NEW, sink)
    with place.opened("docs-1") as sink:
        assert migrate(NEW, sink, into="docs-2", alias="docs").embedded == 0
    with place.opened("docs") as sink:
        assert (sink.check(NEW), sink.collection) == (True, "docs-2")
        assert search("newer here", NEW, sink, limit=1)[0].text == "newer here"


@pytest.mark.parametrize(
    ("into", "name", "says"),
    [
        ("docs-1", None, "'docs-1' stands for 'docs-1' already"),
        ("elsewhere", None, "'elsewhere' stands for 'other' already"),
        ("other", None, "'other' is there already, and no copy of 'docs-1'"),
        ("new", "new", "the alias 'new' is the name of a collection"),
        ("new", "docs-1", "the alias 'docs-1' is the name of a collection"),
        ("new", "other", "the alias 'other' is the name of a collection"),
        ("new", "elsewhere", "the alias 'elsewhere' stands for 'other' in"),
    ],
)
def test_a_name_that_is_taken_is_refused_before_anything_is_written(
    place: Place, into: str, name: str | None, says: str
) -> None:
    with place.opened("other") as sink:
        ingest(RECORDS[:3], NEW, sink)
    with place.client() as client:
        alias(client, "elsewhere", "other")
    with place.opened("docs-1") as sink, pytest.raises(TargetError, match=says):
        migrate(NEW, sink, into=into, alias=name)
    with place.opened("docs-1") as sink:
        assert sink.collections() == ["docs-1", "other"]
    with place.client() as client:
        assert collection_of(client, "elsewhere") == "other"


def test_an_edge_folder_has_no_aliases_and_is_copied_without(tmp_path: Path) -> None:
    with open_sink(f"edge:{tmp_path / 'edge'}", "docs-1", settings=CollectionSettings(sparse="bm25")) as sink:
        ingest(RECORDS, OLD, sink)
        with pytest.raises(TargetError, match=r"has no aliases. Leave --alias out"):
            migrate(NEW, sink, into="docs-2", alias="docs")
        assert sink.collections() == ["docs-1"]
        assert migrate(NEW, sink, into="docs-2").embedded == 1200
        copy = QdrantSink(sink._backend, "docs-2")
        assert (verify(NEW, copy).is_sound, ingest(RECORDS, NEW, copy).unchanged) == (True, 1200)
        assert search("text 7", NEW, copy, limit=1, hybrid=True)[0].text == "text 7"


@pytest.mark.parametrize("layout", ["langchain", "llama-index"])
def test_a_copys_store_needs_no_argument(layout: LayoutName) -> None:
    client = QdrantClient(":memory:")
    sink = QdrantSink(ClientBackend(client), "docs-1", settings=CollectionSettings(layout=layout))
    ingest(RECORDS[:20], OLD, sink)
    if layout == "llama-index":
        add_nodes(llama_index_store(client, "docs-1"), OLD, ["theirs"], page=7)
    migrate(NEW, sink, drop_old=True)  # the vector has a name, which a copy with the same model has not
    assert "vector_name" not in migrate(NEW, sink, into="docs-2", alias="docs").opened_by
    made = langchain_store(client, "docs", NEW) if layout == "langchain" else llama_index_store(client, "docs")
    assert nearest_of(made, NEW, "text 7") == "text 7"
    assert verify(NEW, QdrantSink(ClientBackend(client), "docs")).is_sound
    client.close()


def test_points_without_text_are_not_copied_and_counted() -> None:
    client = QdrantClient(":memory:")
    sink = QdrantSink(ClientBackend(client), "docs-1")
    ingest(RECORDS[:3], OLD, sink)
    client.upsert("docs-1", [models.PointStruct(id=3, vector=[1.0] * 32, payload={"title": "no text"})])
    summary = migrate(NEW, sink, into="docs-2")
    assert (summary.embedded, summary.without_text, client.count("docs-2").count) == (3, 1, 3)
    client.close()


def test_an_alias_goes_over_in_one_request() -> None:
    with misbehaving_qdrant() as (url, seen), open_sink(url, "docs-1") as sink:
        ingest(RECORDS[:3], OLD, sink)
        migrate(NEW, sink, into="docs-2", alias="docs")
        migrate(OLD, QdrantSink(sink._backend, "docs"), into="docs-3", alias="docs")
        assert seen.alias_requests == [["create_alias"], ["delete_alias", "create_alias"]]


def test_options_that_exclude_each_other_are_refused() -> None:
    with open_sink(":memory:", "docs-1") as sink:
        with pytest.raises(InvalidInputError, match="an alias without a new collection"):
            migrate(NEW, sink, alias="docs")
        with pytest.raises(InvalidInputError, match="drop_old with a new collection"):
            migrate(NEW, sink, into="docs-2", drop_old=True)
