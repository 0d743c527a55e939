"""Sparse vectors for hybrid search in LlamaIndex's Qdrant store, and the fusion that `embed-plugin search` has."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Self

from embed_plugin import Bm25Encoder, EncoderSettings, InvalidInputError, SparseEncoder, TextSparseEncoder
from llama_index.core.vector_stores.types import VectorStoreQueryResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qdrant_client import QdrantClient

    from embed_plugin import SparseVector
    from llama_index.core.schema import BaseNode

_RANK_CONSTANT = 10
"""Qdrant's own constant of reciprocal ranks."""


class EmbedPluginSparse:
    """Gives `QdrantVectorStore` the functions that make sparse vectors, on CPU and in this process.

    Those of a collection that `embed-plugin ingest --layout llama-index --sparse bm25` made are BM25 with the settings
    that are written there; those of a model are a learned encoder's (SPLADE).

    Args:
        model: Model folder of a sparse encoder, made by `embed-plugin export`.
        settings: How to run; none of it changes a vector.
        encoder: A sparse encoder that is loaded already, or `embed_plugin.Bm25Encoder`. `model` is then not loaded.

    Examples:
        ```python
        from llama_index.embeddings.embed_plugin import EmbedPluginSparse, reciprocal_rank_fusion

        sparse = EmbedPluginSparse.of_collection(client, "docs")
        vector_store = QdrantVectorStore(
            "docs",
            client=client,
            enable_hybrid=True,
            sparse_doc_fn=sparse.sparse_doc_fn,
            sparse_query_fn=sparse.sparse_query_fn,
            sparse_vector_name="bm25",
            hybrid_fusion_fn=reciprocal_rank_fusion,
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
                "give either a model folder of a sparse encoder, as in EmbedPluginSparse(model='models/splade'), or a "
                "loaded one with encoder=, which has its settings already"
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

    def sparse_doc_fn(self, texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        """Return the indices and the values of the documents' vectors.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        return _indices_and_values(self.encoder.encode_documents(texts))

    def sparse_query_fn(self, texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        """Return the indices and the values of the queries' vectors."""
        return _indices_and_values(self.encoder.encode_queries(texts))


def reciprocal_rank_fusion(
    dense_result: VectorStoreQueryResult,
    sparse_result: VectorStoreQueryResult,
    alpha: float = 0.5,
    top_k: int = 2,
    **_: object,
) -> VectorStoreQueryResult:
    """Fuse two rankings by their ranks, as `embed-plugin search --hybrid` does: a `hybrid_fusion_fn`.

    A node's score is the sum of `weight / (10 + rank)` over the rankings that it is in, with ranks from 0 and the
    weights `2 alpha` and `2 (1 - alpha)`; with 0.5 both weigh 1. LlamaIndex's own fusion compares the scores
    themselves, and gives the last of a ranking none.

    Args:
        dense_result: The ranking by the dense vectors, best first.
        sparse_result: The ranking by the sparse vectors, best first.
        alpha: 0 for words only, 1 for dense vectors only.
        top_k: The most nodes that are returned.

    Raises:
        InvalidInputError: `alpha` is not from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise InvalidInputError(f"alpha is {alpha}; expected 0 (words only) to 1 (dense vectors only)")
    scores: defaultdict[str, float] = defaultdict(float)
    nodes: dict[str, BaseNode] = {}
    for result, weight in ((dense_result, 2 * alpha), (sparse_result, 2 * (1 - alpha))):
        for rank, node in enumerate(result.nodes or () if weight else ()):
            nodes.setdefault(node.node_id, node)
            scores[node.node_id] += weight / (_RANK_CONSTANT + rank)
    best = sorted(scores, key=lambda node_id: -scores[node_id])[:top_k]
    return VectorStoreQueryResult([nodes[each] for each in best], [scores[each] for each in best], best)


def _indices_and_values(vectors: Sequence[SparseVector]) -> tuple[list[list[int]], list[list[float]]]:
    return [vector.indices.tolist() for vector in vectors], [vector.values.tolist() for vector in vectors]
