"""langchain-qdrant's `SparseEmbeddings` over an embed-plugin sparse encoder, or over the BM25 of a collection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from langchain_qdrant import SparseEmbeddings, SparseVector

from embed_plugin import Bm25Encoder, EncoderSettings, InvalidInputError, SparseEncoder, TextSparseEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from qdrant_client import QdrantClient

    import embed_plugin


class EmbedPluginSparseEmbeddings(SparseEmbeddings):
    """Sparse embeddings for `QdrantVectorStore`, on CPU and in this process.

    Those of a collection that `embed-plugin ingest --layout langchain --sparse bm25` made are BM25 with the settings
    that are written there; those of a model are a learned encoder's (SPLADE).

    Args:
        model: Model folder of a sparse encoder, made by `embed-plugin export`.
        settings: How to run; none of it changes a vector.
        encoder: A sparse encoder that is loaded already, or `embed_plugin.Bm25Encoder`. `model` is then not loaded.

    Example:
        ```python
        from langchain_qdrant import QdrantVectorStore, RetrievalMode
        from langchain_embed_plugin import EmbedPluginSparseEmbeddings

        store = QdrantVectorStore(
            client,
            "docs",
            embeddings,
            retrieval_mode=RetrievalMode.HYBRID,
            sparse_embedding=EmbedPluginSparseEmbeddings.of_collection(client, "docs"),
            sparse_vector_name="bm25",
        )
        ```

    Raises:
        InvalidInputError: neither a model nor an encoder is given, or both.
        ModelFolderError: the model folder cannot be used, or is no sparse encoder's.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        settings: EncoderSettings | None = None,
        encoder: TextSparseEncoder | None = None,
    ) -> None:
        if encoder is not None and not isinstance(encoder, TextSparseEncoder):
            raise InvalidInputError(f"encoder is a {type(encoder).__name__}; expected a TextSparseEncoder")
        if encoder is None and model is not None:
            encoder = SparseEncoder.load(model, settings)
        elif encoder is None or (model, settings) != (None, None):
            raise InvalidInputError(
                "give either a model folder of a sparse encoder, as in "
                "EmbedPluginSparseEmbeddings(model='models/splade'), or a loaded one with encoder=, which has its "
                "settings already"
            )
        self.encoder: TextSparseEncoder = encoder

    @classmethod
    def of_collection(cls, client: QdrantClient, collection: str) -> Self:
        """Return the BM25 with which `embed-plugin ingest --sparse bm25` made a collection's sparse vectors.

        Raises:
            TargetError: there is no such collection.
            SpaceMismatchError: ingest did not make it, or without BM25.
            MissingExtraError: a package of embed-plugin's extra `ingest` is not installed.
        """
        return cls(encoder=Bm25Encoder.of_collection(client, collection))

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors: equal fingerprints mean comparable vectors."""
        return self.encoder.fingerprint

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        """Embed documents, one vector a text, in their order.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        return [_vector(each) for each in self.encoder.encode_documents(texts)]

    def embed_query(self, text: str) -> SparseVector:
        """Embed a query: as `embed_documents`, with the model's own ways with queries."""
        return _vector(self.encoder.encode_queries([text])[0])

    async def aembed_documents(self, texts: list[str]) -> list[SparseVector]:
        """`embed_documents` for asyncio; texts of concurrent calls share batches."""
        encode = getattr(self.encoder, "aencode_documents", None)  # a TextSparseEncoder need not have it
        vectors = await (encode(texts) if encode else asyncio.to_thread(self.encoder.encode_documents, texts))
        return [_vector(each) for each in vectors]

    async def aembed_query(self, text: str) -> SparseVector:
        """`embed_query` for asyncio."""
        encode = getattr(self.encoder, "aencode_queries", None)
        vectors = await (encode([text]) if encode else asyncio.to_thread(self.encoder.encode_queries, [text]))
        return _vector(vectors[0])


def _vector(vector: embed_plugin.SparseVector) -> SparseVector:
    return SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
