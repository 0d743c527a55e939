"""LlamaIndex on ordinary CPUs: `EmbedPluginEmbedding`, `EmbedPluginRerank`, and what goes with Qdrant."""

from llama_index.embeddings.embed_plugin.base import EmbedPluginEmbedding
from llama_index.embeddings.embed_plugin.collection import check_collection
from llama_index.embeddings.embed_plugin.rerank import EmbedPluginRerank

__all__ = ["EmbedPluginEmbedding", "EmbedPluginRerank", "check_collection"]
