"""Test doubles for everything that takes an encoder or a reranker, one for each kind of model; no engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError
from embed_plugin.scoring import best_first, checked_query, list_of_pairs, pairs_of, require_top_k
from embed_plugin.texts import iterable_of_texts, list_of_texts, refuse_bad_texts
from embed_plugin.types import SparseVector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from embed_plugin.types import Role, Rows, Scores, Vectors


class FakeEncoder:
    """A :class:`~embed_plugin.protocols.TextEncoder` whose vectors are drawn from a hash of the text.

    Equal texts have equal vectors, different texts nearly orthogonal ones: a vector says nothing about the meaning. A
    text has as many tokens as words, plus two. Invalid texts raise the same errors as in an encoder. ``encoded`` lists
    every encoded document, so that a test can check which texts were embedded.
    """

    def __init__(self, dimension: int = 32, *, max_tokens: int = 64, fingerprint: str = "fake") -> None:
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint
        self.encoded: list[str] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents to ``(n, dimension)``."""
        taken = list_of_texts(texts)
        self.encoded.extend(taken)
        return self._vectors(taken)

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries to ``(n, dimension)``; without instruction a vector equals the same text's as a document."""
        taken = list_of_texts(texts)
        return self._vectors(taken if instruction is None else [f"{instruction}\n{text}" for text in taken])

    def stream_documents(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield one vector per document."""
        for index, text in enumerate(iterable_of_texts(texts)):
            refuse_bad_texts([text], index)
            yield self.encode_documents([text])[0]

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Words plus two, for either role."""
        del role
        return np.array([len(text.split()) + 2 for text in list_of_texts(texts)], dtype=np.int64)

    def _vectors(self, texts: list[str]) -> Vectors:
        return _drawn(texts, self.dimension)


class FakeReranker:
    """A :class:`~embed_plugin.protocols.TextReranker` whose scores are shares of the query's words.

    The score of a text is the part of the query's words that it has, so that a test can say which text is best.
    Invalid input raises the same errors as in a reranker; an instruction changes nothing. ``scored`` lists every pair
    that was scored.
    """

    def __init__(self, *, fingerprint: str = "fake-reranker") -> None:
        self.fingerprint = fingerprint
        self.scored: list[tuple[str, str]] = []

    def score(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
        """Score texts for a query, ``(n,)``."""
        del instruction
        return self.score_pairs(pairs_of(checked_query(query), list_of_texts(texts)))

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Score pairs, ``(n,)``."""
        taken = list_of_pairs(pairs)
        self.scored.extend(taken)
        return np.array([_share_of_words(*pair) for pair in taken], dtype=np.float32)

    def rank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        """Rank texts for a query, best first."""
        require_top_k(top_k)
        return best_first(self.score(query, texts, instruction=instruction), top_k)


def _share_of_words(query: str, text: str) -> float:
    words = set(query.lower().split())
    return len(words.intersection(text.lower().split())) / len(words)


class FakeSparseEncoder:
    """A :class:`~embed_plugin.protocols.TextSparseEncoder` whose words are those of the text.

    A word's index is drawn from a hash of it, its weight is the root of how often it occurs: texts that share words
    have a dot product above 0. Invalid texts raise the same errors as in an encoder. ``encoded`` lists every encoded
    document.
    """

    def __init__(self, dimension: int = 30_000, *, fingerprint: str = "fake-sparse") -> None:
        self.dimension = dimension
        self.fingerprint = fingerprint
        self.encoded: list[str] = []

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode documents."""
        taken = list_of_texts(texts)
        refuse_bad_texts(taken, 0)
        self.encoded.extend(taken)
        return [self._vector(text) for text in taken]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode queries; a vector equals the same text's as a document."""
        taken = list_of_texts(texts)
        refuse_bad_texts(taken, 0)
        return [self._vector(text) for text in taken]

    def stream_documents(self, texts: Iterable[str]) -> Iterator[SparseVector]:
        """Yield one vector per document."""
        for index, text in enumerate(iterable_of_texts(texts)):
            refuse_bad_texts([text], index)
            yield self.encode_documents([text])[0]

    def _vector(self, text: str) -> SparseVector:
        hashes = [hashlib.sha256(word.encode()).digest()[:8] for word in text.lower().split()]
        indices, counts = np.unique(
            [int.from_bytes(each, "big") % self.dimension for each in hashes], return_counts=True
        )
        return SparseVector(indices.astype(np.int32), np.sqrt(counts).astype(np.float32))


class FakeLateInteractionEncoder:
    """A :class:`~embed_plugin.protocols.TextLateInteractionEncoder` with a vector for each word, drawn from its hash.

    Equal words have equal vectors, so max-sim counts the words of a query that a document has, nearly. A text without
    words has one vector. Pooling takes the mean of so many neighbouring words. ``encoded`` lists every document.
    """

    def __init__(self, dimension: int = 32, *, fingerprint: str = "fake-late") -> None:
        self.dimension = dimension
        self.fingerprint = fingerprint
        self.encoded: list[str] = []

    def encode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[Rows]:
        """Encode documents to ``(words, dimension)`` each."""
        taken = list_of_texts(texts)
        if type(pool_factor) is not int or pool_factor < 1:
            raise InvalidInputError(f"pool_factor is {pool_factor!r}; expected a whole number of at least 1")
        self.encoded.extend(taken)
        return [self._pooled(words, pool_factor) for words in self._words(taken)]

    def encode_queries(self, texts: Sequence[str]) -> list[Rows]:
        """Encode queries to ``(words, dimension)`` each; they equal the same texts' as documents."""
        return self._words(list_of_texts(texts))

    def stream_documents(self, texts: Iterable[str], *, pool_factor: int = 1) -> Iterator[Rows]:
        """Yield the vectors of each document."""
        for index, text in enumerate(iterable_of_texts(texts)):
            refuse_bad_texts([text], index)
            yield self.encode_documents([text], pool_factor=pool_factor)[0]

    def _words(self, texts: list[str]) -> list[Rows]:
        return [_drawn(text.split() or [""], self.dimension) for text in texts]

    def _pooled(self, words: Rows, factor: int) -> Rows:
        means = np.array([words[at : at + factor].mean(axis=0) for at in range(0, len(words), factor)])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def _drawn(texts: Sequence[str], dimension: int) -> Vectors:
    """Draw a unit vector for each text from its hash."""
    rows = np.empty((len(texts), dimension), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        row[:] = np.random.default_rng(seed).standard_normal(dimension)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
