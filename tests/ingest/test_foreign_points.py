"""Points that LangChain's and LlamaIndex's stores add to a collection of ours: counted apart, and never removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import TargetError
from embed_plugin.ingest import CollectionSettings, IngestSettings, QdrantSink, Record, ingest, migrate, search, verify
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder
from support.frameworks import add_nodes, langchain_store, llama_index_store, nearest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest import LayoutName

ENCODER, NEW = FakeEncoder(), FakeEncoder(24, fingerprint="new" * 10)
RECORDS = [Record(str(number), f"text {number}") for number in range(20)]
MIRROR = IngestSettings(mirror=True, max_delete=1.0)


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:")
    yield opened
    opened.close()


def sink_of(client: QdrantClient, layout: LayoutName) -> QdrantSink:
    return QdrantSink(ClientBackend(client), "notes", settings=CollectionSettings(layout=layout))


def fill(client: QdrantClient, layout: LayoutName) -> QdrantSink:
    """A collection of ours, to which a framework's store adds two points."""
    sink = sink_of(client, layout)
    ingest(RECORDS, ENCODER, sink)
    if layout == "langchain":
        langchain_store(client, "notes", ENCODER).add_texts(["theirs one", "theirs two"], [{"source_id": "7"}] * 2)
    elif layout == "llama-index":
        add_nodes(
            llama_index_store(client, "notes"), ENCODER, ["theirs one", "theirs two"], source_id="7", chunk_index=7
        )
    else:
        vectors = ENCODER.encode_documents(["theirs one", "theirs two"]).tolist()
        payloads = [{"text": text, "source_id": "7", "chunk_count": 3} for text in ("theirs one", "theirs two")]
        client.upsert("notes", models.Batch(ids=[1, 2], vectors=vectors, payloads=payloads))
    return sink


@pytest.mark.parametrize("layout", ["plain", "langchain", "llama-index"])
def test_they_are_counted_apart_and_found_and_never_removed(client: QdrantClient, layout: LayoutName) -> None:
    sink = fill(client, layout)
    found = verify(ENCODER, sink)
    assert (found.is_sound, found.points, found.sources, found.foreign) == (True, 22, 20, 2)
    assert ingest(RECORDS[:2], ENCODER, sink, settings=MIRROR).removed == 18
    assert (sink.count(), verify(ENCODER, sink).foreign) == (4, 2)
    (hit,) = search("theirs two", ENCODER, sink, limit=1)
    assert layout == "llama-index" or (hit.text, hit.point_id == "") == ("theirs two", False)


@pytest.mark.parametrize("layout", ["plain", "langchain", "llama-index"])
def test_a_migration_embeds_them_as_their_program_did(client: QdrantClient, layout: LayoutName) -> None:
    sink = fill(client, layout)
    summary = migrate(NEW, sink, drop_old=True)
    assert (summary.embedded, summary.without_text, verify(NEW, sink).is_sound) == (22, 0, True)
    embedded = [text for text in NEW.encoded if "theirs" in text][-2:]
    prefix = "source_id: 7\nchunk_index: 7\n\n" if layout == "llama-index" else ""
    assert sorted(embedded) == [f"{prefix}theirs one", f"{prefix}theirs two"]


def test_those_without_text_stay_as_they_are_and_keep_their_vector(client: QdrantClient) -> None:
    sink = fill(client, "plain")
    client.upsert("notes", [models.PointStruct(id=3, vector=[1.0] * 32, payload={"title": "no text"})])
    summary = migrate(NEW, sink)
    assert (summary.embedded, summary.without_text, verify(NEW, sink).foreign) == (22, 1, 3)
    with pytest.raises(TargetError, match="point 3 in 'notes' has an old vector alone, so none was removed"):
        migrate(NEW, sink, drop_old=True)
    client.set_payload("notes", {"text": "a text now"}, points=[3])
    assert migrate(NEW, sink, drop_old=True).dropped == ("",)
    assert search("a text now", NEW, sink, limit=1)[0].point_id == "3"


def test_what_is_added_after_a_migration_by_the_old_name_is_migrated_by_the_next(client: QdrantClient) -> None:
    sink = sink_of(client, "langchain")
    ingest(RECORDS, ENCODER, sink)
    migrate(NEW, sink)
    langchain_store(client, "notes", ENCODER).add_texts(["a late one"])
    assert (migrate(NEW, sink).embedded, search("a late one", NEW, sink, limit=1)[0].text) == (1, "a late one")


@pytest.mark.parametrize("key", ["source_id", "text_hash", "record_hash", "chunk_count"])
def test_a_damaged_point_of_ours_is_no_foreign_one(client: QdrantClient, key: str) -> None:
    sink = fill(client, "plain")
    client.delete_payload("notes", [key], points=[sink.id_of(RECORDS[3].key, 0)])
    found = verify(ENCODER, sink)
    problem = {"source_id": "unknown", "text_hash": "text_hash", "chunk_count": "counts"}.get(key)
    assert (list(found.problems), found.foreign) == ([problem] if problem else [], 2)


def test_langchain_writes_its_own_id_over_a_records_metadata(client: QdrantClient) -> None:
    sink = sink_of(client, "langchain")
    ingest([Record("a.md", "the text", {"_id": "mine", "_collection_name": "mine", "page": 1})], ENCODER, sink)
    (document,) = langchain_store(client, "notes", ENCODER).similarity_search("the text", k=1)
    assert document.metadata["_id"] == sink.id_of(Record("a.md", "x").key, 0)
    assert (document.metadata["_collection_name"], document.metadata["page"]) == ("notes", 1)


def test_what_llama_index_deletes_by_its_document_is_stored_again_by_the_next_run(client: QdrantClient) -> None:
    sink = fill(client, "llama-index")
    llama_index_store(client, "notes").delete(RECORDS[3].source_id)
    assert (sink.count(), verify(ENCODER, sink).is_sound) == (21, True)
    assert ingest(RECORDS, ENCODER, sink).embedded == 1


@pytest.mark.parametrize("drop_old", [False, True])
def test_after_a_migration_langchain_reads_with_the_argument_that_is_told(client: QdrantClient, drop_old: bool) -> None:  # noqa: FBT001
    sink = fill(client, "langchain")
    summary = migrate(NEW, sink, drop_old=drop_old)
    assert summary.opened_by.startswith(
        'QdrantVectorStore(client=client, collection_name="notes", embedding=embeddings'
    )
    assert nearest_of(langchain_store(client, "notes", NEW, **told(summary.opened_by)), NEW, "text 7") == "text 7"


def test_after_a_migration_llama_index_reads_with_the_argument_that_is_told(client: QdrantClient) -> None:
    sink = fill(client, "llama-index")
    first = migrate(NEW, sink).opened_by
    store = llama_index_store(client, "notes", **told(first))
    assert "after --drop-old" in first
    assert store.dense_vector_name == ""  # the reason for that: it takes the old model's vectors
    line = migrate(NEW, sink, drop_old=True).opened_by
    assert "after --drop-old" not in line
    assert nearest_of(llama_index_store(client, "notes", **told(line)), NEW, "text 7") == "text 7"


def test_a_plain_collection_is_read_with_the_argument_that_is_told(client: QdrantClient) -> None:
    sink = fill(client, "plain")
    line = migrate(NEW, sink, drop_old=True).opened_by
    found = eval(line, {"client": client, "vector": NEW.encode_queries(["text 7"])[0]})  # noqa: S307 - our own line
    assert found.points[0].payload["text"] == "text 7"


def told(line: str) -> dict[str, str]:
    """The last argument of the line that a migration tells."""
    name, value = line.split(")", maxsplit=1)[0].rsplit(", ", 1)[1].split("=")
    return {name: value.strip('"')}
