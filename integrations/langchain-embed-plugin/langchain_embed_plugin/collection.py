"""Whether a Qdrant collection holds the vectors of some embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import embed_plugin

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from langchain_embed_plugin.embeddings import EmbedPluginEmbeddings


def check_collection(
    client: QdrantClient,
    collection: str,
    embeddings: EmbedPluginEmbeddings,
    *,
    vector_name: str = "",
    content_payload_key: str = "page_content",
) -> None:
    """Check that a Qdrant collection holds these embeddings' vectors, by the fingerprint on it.

    `embed-plugin ingest` writes the fingerprint. On a collection that has none, such as one that `QdrantVectorStore`
    made, it is written once some of the stored texts, embedded again, have had the stored vectors.

    Args:
        client: The store's.
        collection: The collection's name.
        embeddings: Whose vectors it should hold.
        vector_name: As given to the store.
        content_payload_key: As given to the store.

    Example:
        ```python
        check_collection(store.client, store.collection_name, embeddings)
        ```

    Raises:
        SpaceMismatchError: it holds other vectors.
        TargetError: there is no such collection.
    """
    embed_plugin.check_collection(
        client,
        collection,
        embeddings.encoder,
        text_of=lambda payload: payload.get(content_payload_key),
        vector_name=vector_name,
        layout="langchain",
    )
