"""Whether a Qdrant collection holds the vectors of an embedding model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import embed_plugin
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores.utils import metadata_dict_to_node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client import QdrantClient

    from llama_index.embeddings.embed_plugin.base import EmbedPluginEmbedding


def check_collection(
    client: QdrantClient, collection: str, embed_model: EmbedPluginEmbedding, *, vector_name: str = ""
) -> None:
    """Check that a Qdrant collection holds this model's vectors, by the fingerprint on it.

    `embed-plugin ingest` writes the fingerprint. On a collection that has none, such as one that `QdrantVectorStore`
    made, it is written once some of the stored nodes, embedded again, have had the stored vectors.

    Args:
        client: The store's.
        collection: The collection's name.
        embed_model: Whose vectors it should hold.
        vector_name: Empty for the unnamed vector; `text-dense` where the store was made with `enable_hybrid`.

    Examples:
        `check_collection(vector_store.client, vector_store.collection_name, embed_model)`

    Raises:
        SpaceMismatchError: it holds other vectors.
        TargetError: there is no such collection.
    """
    embed_plugin.check_collection(
        client, collection, embed_model.encoder, text_of=_embedded_text, vector_name=vector_name, layout="llama-index"
    )


def _embedded_text(payload: Mapping[str, Any]) -> str | None:
    """What LlamaIndex embeds of a node: its text and, unless it was left out there, its metadata."""
    if "_node_content" not in payload:
        return None
    return metadata_dict_to_node(dict(payload)).get_content(metadata_mode=MetadataMode.EMBED)
