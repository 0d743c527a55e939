"""Sparse vectors of a text's words with the weights of BM25; for English, those of Qdrant's own ``qdrant/bm25``.

A document's weight for a token that occurs ``n`` times is ``n (k + 1) / (n + k (1 - b + b words / mean words))``, a
query's is 1, and the backend multiplies both by the token's inverse document frequency in the collection
(``Modifier.IDF``). The formula is from Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"
(2009), the default parameters have Qdrant's values. :mod:`.bm25_tokens` says what a token is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.collection_identity import BM25
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings, bm25_settings_of
from embed_plugin.ingest.stores.qdrant.bm25_tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embed_plugin.collection_identity import CollectionIdentity


class SparseVector(NamedTuple):
    """The nonzero components of a vector."""

    indices: list[int]
    values: list[float]


class Bm25:
    """Makes sparse vectors of documents and queries; the module describes their weights.

    Args:
        settings: Language, parameters, and the version of the tokenisation; English in the newest version if None.
    """

    def __init__(self, settings: Bm25Settings | None = None) -> None:
        self.settings = settings or Bm25Settings()

    def document(self, text: str) -> SparseVector:
        """The weights of a document's tokens."""
        k, b = self.settings.k, self.settings.b
        words, pairs = tokens_of(text, self.settings.language, self.settings.version)
        counts = Counter(words + pairs)
        length = k * (1 - b + b * len(words) / self.settings.mean_words)
        return _sparse((index, count * (k + 1) / (count + length)) for index, count in counts.items())

    def query(self, text: str) -> SparseVector:
        """A weight of 1 for each token of a query."""
        words, pairs = tokens_of(text, self.settings.language, self.settings.version)
        return _sparse((index, 1.0) for index in {*words, *pairs})


def bm25_of(identity: CollectionIdentity | None) -> Bm25 | None:
    """The BM25 of a collection's sparse vectors; None if it has none, or those of a model."""
    has_one = identity is not None and identity.sparse == BM25
    return Bm25(bm25_settings_of(identity.sparse_settings)) if identity and has_one else None


def _sparse(weights: Iterable[tuple[int, float]]) -> SparseVector:
    ordered = sorted(weights)
    return SparseVector([index for index, _ in ordered], [value for _, value in ordered])
