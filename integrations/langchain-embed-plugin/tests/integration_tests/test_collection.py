from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_qdrant import QdrantVectorStore

from embed_plugin import SpaceMismatchError, TargetError
from langchain_embed_plugin import EmbedPluginEmbeddings, check_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qdrant_client import QdrantClient

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]


@pytest.fixture
def store(embeddings: EmbedPluginEmbeddings) -> Iterator[QdrantVectorStore]:
    store = QdrantVectorStore.from_texts(TEXTS, embeddings, location=":memory:", collection_name="docs")
    yield store
    store.client.close()


def identity(client: QdrantClient) -> dict[str, object]:
    return dict((client.get_collection("docs").config.metadata or {}).get("embed_plugin", {}))


def test_the_fingerprint_is_written_where_the_vectors_are_right(
    store: QdrantVectorStore, embeddings: EmbedPluginEmbeddings
) -> None:
    store.client.update_collection("docs", metadata={"owner": "us"})
    check_collection(store.client, "docs", embeddings)
    metadata = store.client.get_collection("docs").config.metadata or {}
    assert metadata["embed_plugin"]["fingerprint"] == embeddings.fingerprint
    assert metadata["owner"] == "us"
    check_collection(store.client, "docs", embeddings)


def test_another_model_is_found_before_and_after_that(
    store: QdrantVectorStore, embeddings: EmbedPluginEmbeddings, tiny_model: Callable[..., Path]
) -> None:
    other = EmbedPluginEmbeddings(model=tiny_model(pooling="cls"))
    with pytest.raises(SpaceMismatchError, match=r"cosine to this model's is 0\.\d+ .*embed its texts again"):
        check_collection(store.client, "docs", other)
    assert identity(store.client) == {}
    check_collection(store.client, "docs", embeddings)
    with pytest.raises(SpaceMismatchError, match=f"vectors of the space {embeddings.fingerprint}"):
        check_collection(store.client, "docs", other)


def test_points_without_their_text_prove_nothing(store: QdrantVectorStore, embeddings: EmbedPluginEmbeddings) -> None:
    with pytest.raises(SpaceMismatchError, match="unknown origin whose text is not stored"):
        check_collection(store.client, "docs", embeddings, content_payload_key="body")


def test_no_such_collection(store: QdrantVectorStore, embeddings: EmbedPluginEmbeddings) -> None:
    with pytest.raises(TargetError, match="there is no collection 'dogs'"):
        check_collection(store.client, "dogs", embeddings)


def test_no_such_vector(store: QdrantVectorStore, embeddings: EmbedPluginEmbeddings) -> None:
    with pytest.raises(SpaceMismatchError, match="expected one named 'title'"):
        check_collection(store.client, "docs", embeddings, vector_name="title")
