"""Types shared by the parts of this package: roles, vectors, tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Mapping, Sequence

Vectors: TypeAlias = npt.NDArray[np.float32]
"""float32 ``(n, dimension)``, every row of unit length."""

Scores: TypeAlias = npt.NDArray[np.float32]
"""float32 ``(n,)``: one for each pair of a query and a text, a higher one for a better answer."""

Rows: TypeAlias = npt.NDArray[np.float32]
"""A graph's output for a batch: one row per text, of whatever shape the model gives it."""


@dataclass(frozen=True)
class RowsOfSeveral:
    """The outputs of one run; iterating gives a tuple of rows for each text.

    Attributes:
        outputs: Of the graph, in the order of their names.
    """

    outputs: list[Rows]

    def __iter__(self) -> Iterator[tuple[Rows, ...]]:
        return zip(*self.outputs, strict=True)


RunRows: TypeAlias = Rows | RowsOfSeveral
"""What a run of a batch gives: iterating gives a row, or one of each output, for each text."""

Results: TypeAlias = npt.NDArray[Any]
"""One result a text: :data:`Vectors`, float32 scores ``(n,)``, or an array ``(n,)`` of objects where the results
of texts differ in size. Any part of it is a view, so a window of a long call is filled in its place."""

Kind: TypeAlias = Literal["embedding", "reranker", "sparse", "late-interaction"]
"""Kind of result that a model gives: one vector a text, a score for a query and a text, weights of words, or one vector
a token."""


@dataclass(frozen=True)
class CombinedResult:
    """All that a model of several kinds gives for a text; None for a kind that it does not give.

    Attributes:
        vector: float32 ``(dimension,)``, of unit length.
        words: Weights of words.
        tokens: float32 ``(tokens, dimension)``, rows of unit length.
    """

    vector: npt.NDArray[np.float32]
    words: SparseVector | None = None
    tokens: Rows | None = None


Role: TypeAlias = Literal["document", "query"]
"""Role of a text, which decides its prefix."""

Pooling: TypeAlias = Literal["cls", "mean", "max", "sum", "lasttoken", "none"]
"""Method that turns what tokens have into what a text has: vectors, or weights of words; ``none`` leaves one for each
token."""

Fields: TypeAlias = "Sequence[Mapping[str, str]]"
"""For each document, values of the fields that the document prefix names."""

Precision: TypeAlias = Literal["fp32", "int8"]
"""fp32: as trained. int8: int8 weights, and uint8 activations with a scale and a zero point for each token."""


TokenIds: TypeAlias = "array[int]"
"""Token ids of a text, special tokens and prefix included: four bytes each, where a list of ints takes 36."""


@dataclass(frozen=True, eq=False)
class SparseVector:
    """The weights of the words that a text has, or that belong to it: a vector over the vocabulary, without its zeros.

    Attributes:
        indices: int32 ``(n,)``, ascending: ids of tokens.
        values: float32 ``(n,)``, all above 0.
    """

    indices: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]

    def __eq__(self, other: object) -> bool:
        """Compare indices and values."""
        if not isinstance(other, SparseVector):
            return NotImplemented
        return np.array_equal(self.indices, other.indices) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        """Return equal numbers for equal vectors."""
        return hash((self.indices.tobytes(), self.values.tobytes()))

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.indices)

    def dot(self, other: SparseVector) -> float:
        """Return the score of a query's vector and a document's, summed in float64."""
        _, here, there = np.intersect1d(self.indices, other.indices, assume_unique=True, return_indices=True)
        return float(self.values[here].astype(np.float64) @ other.values[there].astype(np.float64))


@dataclass(frozen=True)
class TokenisedTexts:
    """Tokenised texts, cut at the limit.

    Attributes:
        ids: Token ids of each text.
        cut: Indexes of the texts that were cut.
        unknown: Number of unknown tokens of each text; empty if they were not counted.
    """

    ids: list[TokenIds]
    cut: list[int]
    unknown: Sequence[int] = ()
