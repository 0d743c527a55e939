"""What was ingested, read by the frameworks' own Qdrant stores: in memory, and from a folder that ingest closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.ingest import CollectionSettings, QdrantSink, Record, ingest
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder, FakeSparseEncoder
from support.frameworks import langchain_store, llama_index_store, nearest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.ingest import LayoutName

ENCODER = FakeEncoder()
RECORDS = [
    Record("a.md", "the first text", {"page": 1, "tags": ["x"], "source_id": "mine"}),
    Record("b.md", "the second text", {"page": 2, "author": {"name": "Ada"}}),
    Record("c.md", " ".join(f"word{number}" for number in range(100)), {"page": 3}),
]


@pytest.fixture(params=["memory", "folder"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:") if request.param == "memory" else QdrantClient(path=str(tmp_path / "qdrant"))
    yield opened
    opened.close()


def fill(client: QdrantClient, layout: LayoutName) -> QdrantSink:
    sink = QdrantSink(ClientBackend(client), "notes", settings=CollectionSettings(layout=layout))
    ingest(RECORDS, ENCODER, sink)
    return sink


def test_langchain_reads_text_and_metadata(client: QdrantClient) -> None:
    embeddings = pytest.importorskip("langchain_core.embeddings")
    qdrant = pytest.importorskip("langchain_qdrant")

    class Fake(embeddings.Embeddings):  # type: ignore[misc, name-defined]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, row)) for row in ENCODER.encode_documents(texts)]

        def embed_query(self, text: str) -> list[float]:
            return [float(value) for value in ENCODER.encode_queries([text])[0]]

    fill(client, "langchain")
    store = qdrant.QdrantVectorStore(client=client, collection_name="notes", embedding=Fake())
    ((document, score),) = store.similarity_search_with_score("the second text", k=1)
    assert document.page_content == "the second text"
    assert document.metadata["author"] == {"name": "Ada"}
    assert score == pytest.approx(1.0, abs=1e-5)
    condition = {"must": [{"key": "metadata.page", "match": {"value": 1}}]}
    (document,) = store.similarity_search("the second text", k=1, filter=models.Filter.model_validate(condition))
    assert (document.page_content, document.metadata["source_id"]) == ("the first text", "mine")


def test_llama_index_reads_text_metadata_and_source(client: QdrantClient) -> None:
    pytest.importorskip("llama_index.vector_stores.qdrant")
    from llama_index.core.vector_stores.types import (  # noqa: PLC0415
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
    )
    from llama_index.vector_stores.qdrant import QdrantVectorStore  # noqa: PLC0415

    sink = fill(client, "llama-index")
    store = QdrantVectorStore(client=client, collection_name="notes")
    query = [float(value) for value in ENCODER.encode_queries(["the second text"])[0]]
    found = store.query(VectorStoreQuery(query_embedding=query, similarity_top_k=1))
    assert found.similarities == pytest.approx([1.0], abs=1e-5)
    (node,) = found.nodes or ()
    assert node.get_content() == "the second text"
    assert node.metadata == {
        "record_id": "b.md",
        "chunk": 0,
        "start": 0,
        "end": 15,
        "page": 2,
        "author": {"name": "Ada"},
    }
    assert (node.ref_doc_id, node.node_id) == ("b.md", sink.id_of(record_key("", "b.md"), 0))
    filters = MetadataFilters(filters=[MetadataFilter(key="page", value=1)])
    found = store.query(VectorStoreQuery(query_embedding=query, similarity_top_k=1, filters=filters))
    (node,) = found.nodes or ()
    assert (node.get_content(), node.metadata["source_id"]) == ("the first text", "mine")


@pytest.mark.parametrize("layout", ["langchain", "llama-index"])
def test_metadata_that_changed_leaves_nothing_of_the_old_behind(client: QdrantClient, layout: LayoutName) -> None:
    sink = fill(client, layout)
    summary = ingest([Record("a.md", "the first text", {"new": 1})], ENCODER, sink)
    assert (summary.metadata_only, summary.embedded) == (1, 0)
    (point,) = client.retrieve("notes", [sink.id_of(record_key("", "a.md"), 0)])
    assert "page" not in (point.payload or {})
    ((_, chunk),) = sink.search(ENCODER.encode_queries(["the first text"])[0], limit=1)
    assert (chunk.text, chunk.metadata) == (
        "the first text",
        {"record_id": "a.md", "chunk": 0, "start": 0, "end": 14, "new": 1},
    )


@pytest.mark.parametrize("layout", ["langchain", "llama-index"])
def test_the_stores_read_the_dense_vector_beside_sparse_and_token_vectors(
    client: QdrantClient, layout: LayoutName
) -> None:
    others = CollectionSettings(layout=layout, sparse=FakeSparseEncoder(), late=FakeLateInteractionEncoder(8))
    sink = QdrantSink(ClientBackend(client), "notes", settings=others)
    ingest(RECORDS, ENCODER, sink)
    store = langchain_store(client, "notes", ENCODER) if layout == "langchain" else llama_index_store(client, "notes")
    assert nearest_of(store, ENCODER, "the second text") == "the second text"
