"""LlamaIndex on ordinary CPUs: `EmbedPluginEmbedding`, `EmbedPluginRerank`, and what goes with Qdrant."""

from llama_index.embeddings.embed_plugin.base import EmbedPluginEmbedding
from llama_index.embeddings.embed_plugin.collection import check_collection
from llama_index.embeddings.embed_plugin.rerank import EmbedPluginRerank
from llama_index.embeddings.embed_plugin.sparse import EmbedPluginSparse, reciprocal_rank_fusion

__all__ = [
    "EmbedPluginEmbedding",
    "EmbedPluginRerank",
    "EmbedPluginSparse",
    "check_collection",
    "reciprocal_rank_fusion",
]
