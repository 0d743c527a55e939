"""The embeddings inside LangChain's own stores, caches and indexing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import InMemoryByteStore
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from embed_plugin.testing import FakeEncoder
from langchain_embed_plugin import EmbedPluginEmbeddings, document_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin import Vectors

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]


class WordCounts(SparseEmbeddings):
    """Counts of words: a sparse side that needs no model."""

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        words = sorted({sum(map(ord, word)) for word in text.split()})
        return SparseVector(indices=words, values=[1.0] * len(words))


class CountingEncoder(FakeEncoder):
    """Keeps how many texts came in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.sizes.append(len(texts))
        return super().encode_documents(texts)


@pytest.fixture
def client(embeddings: EmbedPluginEmbeddings) -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    size = embeddings.encoder.dimension
    client.create_collection("docs", vectors_config=VectorParams(size=size, distance=Distance.COSINE))
    yield client
    client.close()


def best(embeddings: EmbedPluginEmbeddings, query: str) -> list[str]:
    """The texts by cosine, nearest first, reckoned without a store."""
    scores = np.array(embeddings.embed_documents(TEXTS)) @ embeddings.embed_query(query)
    return [TEXTS[at] for at in scores.argsort()[::-1]]


def test_in_memory(embeddings: EmbedPluginEmbeddings) -> None:
    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    assert [found.page_content for found in store.similarity_search("a cat", k=5)] == best(embeddings, "a cat")


def test_qdrant_dense(embeddings: EmbedPluginEmbeddings) -> None:
    store = QdrantVectorStore.from_texts(TEXTS, embeddings, location=":memory:", collection_name="docs")
    assert [found.page_content for found in store.similarity_search("a cat", k=5)] == best(embeddings, "a cat")
    store.client.close()


def test_qdrant_hybrid(embeddings: EmbedPluginEmbeddings) -> None:
    store = QdrantVectorStore.from_texts(
        TEXTS,
        embeddings,
        location=":memory:",
        collection_name="docs",
        sparse_embedding=WordCounts(),
        retrieval_mode=RetrievalMode.HYBRID,
    )
    found = store.similarity_search("read a line of text", k=5)
    assert found[0].page_content == "read a line of text"
    assert len(found) == 5
    store.client.close()


def test_indexing_leaves_unchanged_documents_alone(client: QdrantClient) -> None:
    encoder = FakeEncoder(dimension=32)
    store = QdrantVectorStore(client, "docs", EmbedPluginEmbeddings(encoder=encoder))
    records = InMemoryRecordManager("docs")
    records.create_schema()
    encoder.encoded.clear()
    documents = [Document(text, metadata={"source": text}) for text in TEXTS]
    once = index(documents, records, store, key_encoder=document_key, cleanup="incremental", source_id_key="source")
    assert once["num_added"] == 5
    documents[0] = Document("the dog sat", metadata={"source": TEXTS[0]})
    again = index(documents, records, store, key_encoder=document_key, cleanup="incremental", source_id_key="source")
    assert (again["num_added"], again["num_deleted"], again["num_skipped"]) == (1, 1, 4)
    assert encoder.encoded == [*TEXTS, "the dog sat"]
    assert client.count("docs").count == 5


def test_the_named_key_encoders_are_refused_by_qdrant(client: QdrantClient, embeddings: EmbedPluginEmbeddings) -> None:
    store = QdrantVectorStore(client, "docs", embeddings)
    records = InMemoryRecordManager("docs")
    records.create_schema()
    with pytest.raises(ValueError, match="UUID"):
        index([Document("the cat")], records, store, key_encoder="sha256")


def test_a_vector_store_hands_over_64_texts_at_a_time(client: QdrantClient) -> None:
    """What the README warns of; if this fails, the warning is out of date."""
    encoder = CountingEncoder()
    store = QdrantVectorStore(client, "docs", EmbedPluginEmbeddings(encoder=encoder))
    encoder.sizes.clear()
    texts = [f"the cat {number}" for number in range(150)]
    store.add_texts(texts)
    store.add_texts(texts, batch_size=1024)
    assert encoder.sizes == [64, 64, 22, 150]


def test_a_cache_by_fingerprint_embeds_once_and_keeps_queries_apart(embeddings: EmbedPluginEmbeddings) -> None:
    cached = CacheBackedEmbeddings.from_bytes_store(
        embeddings,
        InMemoryByteStore(),
        namespace=embeddings.fingerprint,
        query_embedding_cache=InMemoryByteStore(),
        key_encoder="sha256",
    )
    for _ in range(2):
        assert cached.embed_documents(TEXTS) == embeddings.embed_documents(TEXTS)
        assert cached.embed_query(TEXTS[0]) == embeddings.embed_query(TEXTS[0])
    assert cached.embed_query(TEXTS[0]) != cached.embed_documents(TEXTS)[0]


def test_one_cache_for_both_gives_a_query_a_documents_vector(embeddings: EmbedPluginEmbeddings) -> None:
    """What the README warns of; if this fails, the warning is out of date."""
    cached = CacheBackedEmbeddings.from_bytes_store(
        embeddings, InMemoryByteStore(), namespace="docs", query_embedding_cache=True, key_encoder="sha256"
    )
    document = cached.embed_documents(["the cat"])[0]
    assert cached.embed_query("the cat") == document != embeddings.embed_query("the cat")
