"""LangChain's and LlamaIndex's own Qdrant stores, over an encoder of ours; a test skips where one is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qdrant_client import QdrantClient

    from embed_plugin import TextEncoder


def langchain_embeddings(encoder: TextEncoder) -> Any:  # noqa: ANN401 - of a package that may be absent
    """An ``Embeddings`` of LangChain."""
    base = pytest.importorskip("langchain_core.embeddings").Embeddings

    class Own(base):  # type: ignore[misc, valid-type]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return encoder.encode_documents(texts).tolist()  # type: ignore[no-any-return]

        def embed_query(self, text: str) -> list[float]:
            return encoder.encode_queries([text])[0].tolist()  # type: ignore[no-any-return]

    return Own()


def langchain_store(client: QdrantClient, collection: str, encoder: TextEncoder, **options: str) -> Any:  # noqa: ANN401
    """LangChain's store of a collection that exists."""
    store = pytest.importorskip("langchain_qdrant").QdrantVectorStore
    return store(client=client, collection_name=collection, embedding=langchain_embeddings(encoder), **options)


def llama_index_store(client: QdrantClient, collection: str, **options: object) -> Any:  # noqa: ANN401
    """LlamaIndex's store of a collection, which its first write makes."""
    store = pytest.importorskip("llama_index.vector_stores.qdrant").QdrantVectorStore
    return store(client=client, collection_name=collection, **options)


def add_nodes(store: Any, encoder: TextEncoder, texts: Sequence[str], **metadata: object) -> list[str]:  # noqa: ANN401
    """Embed and store texts as LlamaIndex's index does: a node's metadata is embedded with its text."""
    schema = pytest.importorskip("llama_index.core.schema")
    nodes = [schema.TextNode(text=text, metadata=dict(metadata)) for text in texts]
    embedded = encoder.encode_documents([node.get_content(schema.MetadataMode.EMBED) for node in nodes])
    for node, vector in zip(nodes, embedded, strict=True):
        node.embedding = vector.tolist()
    return list(store.add(nodes))


def nearest_of(store: Any, encoder: TextEncoder, text: str) -> str:  # noqa: ANN401
    """The text that either store finds nearest."""
    if hasattr(store, "similarity_search"):
        return str(store.similarity_search(text, k=1)[0].page_content)
    query = pytest.importorskip("llama_index.core.vector_stores.types").VectorStoreQuery
    found = store.query(query(query_embedding=encoder.encode_queries([text])[0].tolist(), similarity_top_k=1))
    return str(found.nodes[0].get_content())
