"""Max-sim, the score of late interaction: each query token's best document token, summed over the query's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

TokenVectors: TypeAlias = "npt.NDArray[np.float32]"
"""float32 ``(tokens, dimension)``, one row a token."""

MOST_PRODUCTS = 1 << 23
"""Products of tokens held at a time: 64 MB of float64."""


def maxsim(query: TokenVectors, documents: Sequence[TokenVectors]) -> npt.NDArray[np.float32]:
    """Score documents for a query: ``sum over its tokens of (max over a document's tokens of their product)``.

    Args:
        query: Token vectors ``(tokens, dimension)``.
        documents: Token vectors of each document, in any number.

    Returns:
        float32 ``(len(documents),)``; larger is better.

    Raises:
        InvalidInputError: an array has no tokens, another shape, or another dimension than the query.
    """
    _check(query, documents)
    return score_all([query], documents).reshape(-1)


def score_all(queries: Sequence[TokenVectors], documents: Sequence[TokenVectors]) -> npt.NDArray[np.float32]:
    """Score every document for every query, ``(len(queries), len(documents))``, in bounded memory.

    Products are float64: in float32 a document's score would depend, in its last bits, on its place among the others.
    """
    scores = np.empty((len(queries), len(documents)), dtype=np.float32)
    if not len(queries):
        return scores
    tokens = np.concatenate(queries).astype(np.float64)
    starts = np.cumsum([0, *(len(query) for query in queries[:-1])])
    for first, end in _blocks(documents, len(tokens)):
        scores[:, first:end] = _score(tokens, starts, documents[first:end])
    return scores


def _score(
    tokens: npt.NDArray[np.float64], starts: npt.NDArray[np.int64], documents: Sequence[TokenVectors]
) -> npt.NDArray[np.float32]:
    """Scores of the queries whose tokens begin at the starts."""
    products = tokens @ np.concatenate(documents).astype(np.float64).T
    document_starts = np.cumsum([0, *(len(document) for document in documents[:-1])])
    best = np.maximum.reduceat(products, document_starts, axis=1)
    return np.add.reduceat(best, starts, axis=0).astype(np.float32)


def _blocks(documents: Sequence[TokenVectors], query_tokens: int) -> list[tuple[int, int]]:
    """Ranges of documents whose products with all query tokens fit into memory, each of one document or more."""
    most = MOST_PRODUCTS // max(1, query_tokens)
    blocks, first, held = [], 0, 0
    for index, document in enumerate(documents):
        if held and held + len(document) > most:
            blocks.append((first, index))
            first, held = index, 0
        held += len(document)
    return [*blocks, (first, len(documents))] if len(documents) else blocks


def _check(query: TokenVectors, documents: Sequence[TokenVectors]) -> None:
    """Refuse what is not one row a token, of one dimension."""
    for name, tokens in [("query", query), *((f"document {at}", each) for at, each in enumerate(documents))]:
        shape = np.shape(tokens)
        if len(shape) != 2 or not shape[0] or shape[1] != np.shape(query)[-1]:  # noqa: PLR2004 - rows of channels
            expected = "(tokens, dimension) with a token or more, and the query's dimension"
            raise InvalidInputError(
                f"{name} has token vectors of the shape {shape}, expected {expected}: pass a list of arrays"
            )
