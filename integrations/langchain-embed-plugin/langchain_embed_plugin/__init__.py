"""LangChain on ordinary CPUs: `EmbedPluginEmbeddings`, `EmbedPluginReranker`, and what goes with Qdrant."""

from langchain_embed_plugin.collection import check_collection
from langchain_embed_plugin.document_key import document_key
from langchain_embed_plugin.embeddings import EmbedPluginEmbeddings
from langchain_embed_plugin.reranker import EmbedPluginReranker

__all__ = ["EmbedPluginEmbeddings", "EmbedPluginReranker", "check_collection", "document_key"]
