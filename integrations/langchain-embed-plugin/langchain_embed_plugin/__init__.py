"""LangChain on ordinary CPUs: `EmbedPluginEmbeddings`, `EmbedPluginReranker`, and what goes with Qdrant.

`EmbedPluginSparseEmbeddings` needs langchain-qdrant, and is imported when it is first used.
"""

from typing import TYPE_CHECKING

from embed_plugin import MissingExtraError
from langchain_embed_plugin.collection import check_collection
from langchain_embed_plugin.document_key import document_key
from langchain_embed_plugin.embeddings import EmbedPluginEmbeddings
from langchain_embed_plugin.reranker import EmbedPluginReranker

if TYPE_CHECKING:
    from langchain_embed_plugin.sparse import EmbedPluginSparseEmbeddings

__all__ = [
    "EmbedPluginEmbeddings",
    "EmbedPluginReranker",
    "EmbedPluginSparseEmbeddings",
    "check_collection",
    "document_key",
]


def __getattr__(name: str) -> object:
    if name != "EmbedPluginSparseEmbeddings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from langchain_embed_plugin.sparse import EmbedPluginSparseEmbeddings  # noqa: PLC0415 - of an extra
    except ModuleNotFoundError as error:
        if error.name != "langchain_qdrant":
            raise
        message = f"{name} needs langchain-qdrant: run  pip install 'langchain-embed-plugin[qdrant]'"
        raise MissingExtraError(message, name=error.name) from error
    return EmbedPluginSparseEmbeddings


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
