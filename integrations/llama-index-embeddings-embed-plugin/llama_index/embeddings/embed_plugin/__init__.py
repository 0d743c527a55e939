"""LlamaIndex embeddings on ordinary CPUs: `EmbedPluginEmbedding`, and what goes with Qdrant."""

from llama_index.embeddings.embed_plugin.base import EmbedPluginEmbedding
from llama_index.embeddings.embed_plugin.collection import check_collection

__all__ = ["EmbedPluginEmbedding", "check_collection"]
