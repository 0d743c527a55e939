"""The seam between a graph's output and a caller's results: a row of the graph's output becomes a text's result.

The batch queue, the runtime and the classes for users make and fill results through :class:`Result` alone. Each kind of
model has a class here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from embed_plugin.errors import EncodingError
from embed_plugin.model.late_interaction import LateInteractionFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.types import Kind, Results, Rows, Vectors


class Result(Protocol):
    """The results of one kind of model."""

    def allocate(self, texts: int) -> Results:
        """Return an array for the results of so many texts; any part of it, ``array[first:end]``, is one too."""

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse rows of another shape than so many texts of so many tokens have.

        Raises:
            EncodingError: the graph's output for a batch has another shape.
        """

    def put(self, row: Rows, token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store one row of the graph's output as the result of the text at ``index``, which has these tokens."""

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the numbers of a row that stand for it in the check of a folder; as many for every text."""


@dataclass(frozen=True)
class VectorResult:
    """One vector ``(dimension,)`` per text.

    Attributes:
        dimension: Length of a vector.
    """

    dimension: int

    def allocate(self, texts: int) -> Vectors:
        """Return an array for the vectors of so many texts; any part of it, ``array[first:end]``, is a result too."""
        return np.empty((texts, self.dimension), dtype=np.float32)

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse rows that are too few, or that numpy would stretch to a vector.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, dimension)``.
        """
        del tokens
        require_shape(rows, (texts, self.dimension))

    def put(self, row: Rows, token_ids: Sequence[int], results: Vectors, index: int) -> None:
        """Store one row of the graph's output as the vector of the text at ``index``."""
        del token_ids
        results[index] = row

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the whole vector."""
        return row


@dataclass(frozen=True)
class ScoreResult:
    """One score per text, which is a query and a text joined."""

    def allocate(self, texts: int) -> Results:
        """Return an array ``(texts,)`` for the scores."""
        return np.empty(texts, dtype=np.float32)

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse what is not one score per text.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, 1)``.
        """
        del tokens
        require_shape(rows, (texts, 1))

    def put(self, row: Rows, token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store the score of the text at ``index``."""
        del token_ids
        results[index] = row[0]

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the score."""
        return row


@dataclass(frozen=True)
class TokenVectorsResult:
    """One vector ``(tokens, dimension)`` per token, of those tokens that have one.

    Attributes:
        dimension: Length of a vector.
        document_marker: The second token of documents, of which alone tokens are left out.
        skipped: The tokens that are left out.
    """

    dimension: int
    document_marker: int
    skipped: tuple[int, ...]

    def allocate(self, texts: int) -> Results:
        """Return an array ``(texts,)`` for an array of each text."""
        return np.empty(texts, dtype=object)

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse what is not one vector per token.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, tokens, dimension)``.
        """
        require_shape(rows, (texts, tokens, self.dimension))

    def put(self, row: Rows, token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store the token vectors of the text at ``index``: a copy, for the row is a part of its batch."""
        if self.skipped and len(token_ids) > 1 and token_ids[1] == self.document_marker:
            results[index] = row[~np.isin(np.asarray(token_ids), self.skipped)]
        else:
            results[index] = row.copy()

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the first token's vector, of which every text has one."""
        first: npt.NDArray[np.float32] = row[0]
        return first


def require_shape(rows: Rows, expected: tuple[int, ...]) -> None:
    """Refuse the rows of a batch that have another shape.

    Raises:
        EncodingError: they have.
    """
    if rows.shape != expected:
        found = f"an output of the shape {rows.shape}, expected {expected}"
        raise EncodingError(f"the model returned {found}: export it again")


def result_of(kind: Kind, dimension: int, facts: Mapping[str, object]) -> Result:
    """Return the results of a kind.

    Args:
        kind: The kind.
        dimension: Length of a vector, as in the manifest.
        facts: The manifest's further facts.
    """
    if kind == "late-interaction":
        late = LateInteractionFacts.read(facts)
        return TokenVectorsResult(dimension, late.document_marker, late.skipped)
    if kind == "embedding":
        return VectorResult(dimension)
    if kind == "reranker":
        return ScoreResult()
    raise NotImplementedError(kind)
