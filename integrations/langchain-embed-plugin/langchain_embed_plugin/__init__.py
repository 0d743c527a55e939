"""LangChain embeddings on ordinary CPUs: `EmbedPluginEmbeddings`, and what goes with Qdrant and the indexing API."""

from langchain_embed_plugin.collection import check_collection
from langchain_embed_plugin.document_key import document_key
from langchain_embed_plugin.embeddings import EmbedPluginEmbeddings

__all__ = ["EmbedPluginEmbeddings", "check_collection", "document_key"]
