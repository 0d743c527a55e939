"""Shorter vectors and smaller numbers: Matryoshka cuts, float16, int8 and bits, with what is needed to search them.

A cut is computed in float64 by sums of one order, so it has the same bits on every machine, and a row depends on itself
alone. docs/guide/numbers.md has what each costs in quality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.types import Vectors

LAYER_NORM_EPSILON = 1e-5
"""Of torch's ``layer_norm``. On a vector that is scaled to unit length afterwards it changes next to nothing."""

INT8_MOST = 127
"""Largest int8 of a vector: one step for each sign, so that 0 is 0."""

BITS_A_BYTE = 8


class Int8Vectors(NamedTuple):
    """Vectors of int8 with the scale of each.

    Attributes:
        values: int8 ``(n, dimension)``.
        scales: float32 ``(n,)``; ``values * scales[:, None]`` are the vectors again, but for rounding.
    """

    values: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]

    def to_float32(self) -> Vectors:
        """Return the vectors again, float32 ``(n, dimension)``, each number within half a scale of what it was."""
        return self.values * self.scales[:, np.newaxis]


def cut(vectors: Vectors, dimension: int, *, layer_norm: bool = False) -> Vectors:
    """Keep the first numbers of vectors that were trained for it, and scale what is left to unit length.

    "Matryoshka Representation Learning", Kusupati et al., 2022.

    Args:
        vectors: float32 ``(n, d)``.
        dimension: Numbers to keep, 1 to ``d``.
        layer_norm: Normalise each vector to a mean of 0 and a variance of 1 first, as the card of
            nomic-embed-text-v1.5 asks.

    Returns:
        float32 ``(n, dimension)``, unit length.

    Raises:
        InvalidInputError: there are fewer numbers than are to be kept.
    """
    if not 1 <= dimension <= vectors.shape[1]:
        raise InvalidInputError(f"dimension is {dimension}; these vectors have 1 to {vectors.shape[1]} numbers to keep")
    exact = vectors.astype(np.float64)
    if layer_norm:
        exact -= _sums(exact) / vectors.shape[1]
        exact /= np.sqrt(_sums(exact**2) / vectors.shape[1] + LAYER_NORM_EPSILON)
    kept = exact[:, :dimension]
    lengths = np.sqrt(_sums(kept**2))
    return (kept / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def _sums(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum each row in one order, halves onto halves, whatever numpy does on this CPU: ``(n, d)`` to ``(n, 1)``."""
    while (width := rows.shape[1]) > 1:
        half = (width + 1) // 2
        folded = rows[:, :half].copy()
        folded[:, : width - half] += rows[:, half:]
        rows = folded
    return rows


def to_float16(vectors: Vectors) -> npt.NDArray[np.float16]:
    """Round vectors to float16 ``(n, dimension)``, half the size."""
    return vectors.astype(np.float16)


def to_int8(vectors: Vectors) -> Int8Vectors:
    """Round vectors to int8, a quarter of the size; the largest number of each vector becomes 127 or -127."""
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / np.float32(INT8_MOST)
    safe = np.where(scales > 0, scales, np.float32(1))
    return Int8Vectors(np.rint(vectors / safe[:, np.newaxis]).astype(np.int8), scales)


def to_binary(vectors: Vectors) -> npt.NDArray[np.uint8]:
    """Keep the sign of each number: uint8 ``(n, dimension / 8)``, a thirty-second of the size.

    A bit is 1 where the number is above 0; the first number is the highest bit of the first byte, as
    :func:`numpy.packbits` has it.

    Raises:
        InvalidInputError: the dimension is no multiple of 8.
    """
    require_bytes(vectors.shape[1])
    return np.packbits(vectors > 0, axis=1)


def hamming(query: npt.NDArray[np.uint8], documents: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Count the bits in which each document ``(n, dimension / 8)`` differs from a query ``(dimension / 8,)``."""
    return np.asarray(np.bitwise_count(query ^ documents).sum(axis=1, dtype=np.int64))


def rescore(query: npt.NDArray[np.float32], documents: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Score the bits of documents ``(n, dimension / 8)`` by a query's whole numbers ``(dimension,)``.

    Bits stand for -1 and 1; the score is the cosine of the query and of these. It orders the candidates of a search by
    :func:`hamming` better, at no more storage ("Efficient Passage Retrieval with Hashing", Yamada et al., 2021).

    Raises:
        InvalidInputError: the documents have another dimension.
    """
    require_bytes(len(query))
    if documents.shape[1] * BITS_A_BYTE != len(query):
        found = f"documents of {documents.shape[1] * BITS_A_BYTE} bits and a query of {len(query)} numbers"
        raise InvalidInputError(f"{found}: give vectors of one model, of one dimension")
    signs = np.unpackbits(documents, axis=1).astype(np.float32) * 2 - 1
    return np.asarray(signs @ query / np.sqrt(len(query)), np.float32)


def require_bytes(dimension: int) -> None:
    """Refuse a dimension whose bits do not fill bytes.

    Raises:
        InvalidInputError: it is no multiple of 8.
    """
    if dimension % BITS_A_BYTE:
        raise InvalidInputError(f"the vectors have {dimension} numbers; bits need a multiple of {BITS_A_BYTE}")
