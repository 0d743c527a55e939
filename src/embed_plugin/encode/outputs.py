"""The seam between a graph's output and a caller's results: a row of the graph's output becomes a text's result.

The batch queue, the runtime and the classes for users make and fill results through :class:`Result` alone. Each kind of
model has a class here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from embed_plugin.errors import EncodingError, ModelFolderError
from embed_plugin.model.late_interaction import LateInteractionFacts
from embed_plugin.model.matryoshka import CUT_FROM, LAYER_NORM
from embed_plugin.model.scores import activated, read_activation
from embed_plugin.numbers import cut
from embed_plugin.types import CombinedResult, RowsOfSeveral, SparseVector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.model.scores import ScoreActivation
    from embed_plugin.types import Kind, Results, Rows, Vectors


CANARY_NUMBERS = 1024
"""Most numbers that stand for a sparse row in the check of a folder."""

MOST_ROW_NUMBERS = 1 << 22
"""Numbers of a batch's sparse rows, 16 MB: of 30,522 words 137 texts, of 250,002 words 16. A batch of the usual 256
tokens has 85 texts at most."""


class Result(Protocol):
    """The results of one kind of model."""

    def allocate(self, texts: int) -> Results:
        """Return an array for the results of so many texts; any part of it, ``array[first:end]``, is one too."""

    def check(self, rows: Any, texts: int, tokens: int) -> None:  # noqa: ANN401 - an array, or several
        """Refuse rows of another shape than so many texts of so many tokens have.

        Raises:
            EncodingError: the graph's output for a batch has another shape.
        """

    def put(self, row: Any, token_ids: Sequence[int], results: Results, index: int) -> None:  # noqa: ANN401
        """Store one row of the graph's output as the result of the text at ``index``, which has these tokens."""

    def canary(self, row: Any) -> npt.NDArray[np.float32]:  # noqa: ANN401
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
class CutResult(VectorResult):
    """One vector ``(dimension,)`` per text, cut from a longer one.

    Attributes:
        full: Length of the graph's vectors.
        layer_norm: They are normalised to a mean of 0 and a variance of 1 before they are cut.
    """

    full: int
    layer_norm: bool

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse rows that are too few, or of another length than the graph's.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, full)``.
        """
        del tokens
        require_shape(rows, (texts, self.full))

    def put(self, row: Rows, token_ids: Sequence[int], results: Vectors, index: int) -> None:
        """Cut one row of the graph's output to the vector of the text at ``index``."""
        del token_ids
        results[index] = cut(row[np.newaxis], self.dimension, layer_norm=self.layer_norm)[0]


@dataclass(frozen=True)
class ScoreResult:
    """One score per text, which is a query and a text joined.

    Attributes:
        activation: Makes the score of the graph's number.
    """

    activation: ScoreActivation

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
        results[index] = activated(float(row[0]), self.activation)

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the graph's number."""
        return row


@dataclass(frozen=True)
class SparseResult:
    """The weights of words of a text, of which a graph's row has one for each word of the vocabulary.

    Attributes:
        size: Words of the vocabulary.
        max_active: Most words that are kept, those of the largest weights; None: all.
    """

    size: int
    max_active: int | None = None

    def allocate(self, texts: int) -> Results:
        """Return an array of objects ``(texts,)`` for the vectors, which differ in size."""
        return np.empty(texts, dtype=object)

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse rows of another vocabulary.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, size)``.
        """
        del tokens
        require_shape(rows, (texts, self.size))

    def put(self, row: Rows, token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store the words of a row whose weight is above 0."""
        del token_ids
        words = np.flatnonzero(row > 0).astype(np.int32)
        results[index] = largest(SparseVector(words, row[words]), self.max_active)

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the row in :data:`CANARY_NUMBERS` sums of every so manieth weight: a whole one would be 1 MB."""
        if len(row) <= CANARY_NUMBERS:
            return row
        return np.bincount(np.arange(len(row)) % CANARY_NUMBERS, weights=row).astype(np.float32)


@dataclass(frozen=True)
class LexicalResult:
    """The weights of a text's own words, of which a graph's row has one for each token.

    Attributes:
        dropped: Ids of tokens that have no weight.
    """

    dropped: tuple[int, ...]

    def allocate(self, texts: int) -> Results:
        """Return an array of objects ``(texts,)`` for the vectors, which differ in size."""
        return np.empty(texts, dtype=object)

    def check(self, rows: Rows, texts: int, tokens: int) -> None:
        """Refuse rows that have not one weight for each token.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, tokens)``.
        """
        require_shape(rows, (texts, tokens))

    def put(self, row: Rows, token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store the largest weight of each word."""
        ids = np.asarray(token_ids, np.int32)
        kept = (row > 0) & ~np.isin(ids, self.dropped)
        words, places = np.unique(ids[kept], return_inverse=True)
        values = np.zeros(len(words), np.float32)
        np.maximum.at(values, places, row[kept])
        results[index] = SparseVector(words, values)

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return three numbers: the sum of the weights, the largest, and the root of their squares' sum."""
        return np.array([row.sum(), row.max(), np.linalg.norm(row)], np.float32)


def largest(vector: SparseVector, count: int | None) -> SparseVector:
    """Return a vector's words of the largest weights, of equal ones those of the lower ids.

    Args:
        vector: The vector.
        count: Most words; None: all.
    """
    if count is None or len(vector) <= count:
        return vector
    kept = np.sort(np.argsort(-vector.values, kind="stable")[:count])
    return SparseVector(vector.indices[kept], vector.values[kept])


def most_texts_of(result: Result) -> int | None:
    """Return the most texts of a batch for which its rows stay small; None: any number.

    Args:
        result: The results of the kind.
    """
    return max(1, MOST_ROW_NUMBERS // result.size) if isinstance(result, SparseResult) else None


@dataclass(frozen=True)
class TokenVectorsResult:
    """One vector ``(tokens, dimension)`` per token, of those tokens that have one.

    Attributes:
        dimension: Length of a vector.
        document_marker: The second token of documents, of which alone tokens are skipped; None: there is no marker.
        skipped: The tokens that are skipped.
        first: Index of the first token that has a vector.
    """

    dimension: int
    document_marker: int | None
    skipped: tuple[int, ...]
    first: int = 0

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
            results[index] = row[self.first :].copy()

    def canary(self, row: Rows) -> npt.NDArray[np.float32]:
        """Return the first token's vector, of which every text has one."""
        first: npt.NDArray[np.float32] = row[0]
        return first


_NAMES: dict[Kind, str] = {"embedding": "vector", "sparse": "words", "late-interaction": "tokens"}
"""The attribute of a combined result that a kind of result is."""


@dataclass(frozen=True)
class SeveralResults:
    """Several results of a text, from one run.

    Attributes:
        parts: The results by kind, in the order of the run's outputs.
    """

    parts: Mapping[Kind, Result]

    def allocate(self, texts: int) -> Results:
        """Return an array of objects ``(texts,)``."""
        return np.empty(texts, dtype=object)

    def check(self, rows: RowsOfSeveral, texts: int, tokens: int) -> None:
        """Refuse outputs of another shape than their kinds have.

        Raises:
            EncodingError: one has.
        """
        for part, output in zip(self.parts.values(), rows.outputs, strict=True):
            part.check(output, texts, tokens)

    def put(self, row: tuple[Rows, ...], token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store one row of each output as the results of the text at ``index``."""
        made = {}
        for (kind, part), own in zip(self.parts.items(), row, strict=True):
            alone = part.allocate(1)
            part.put(own, token_ids, alone, 0)
            made[_NAMES[kind]] = alone[0]
        results[index] = CombinedResult(**made)

    def canary(self, row: tuple[Rows, ...]) -> npt.NDArray[np.float32]:
        """Return that of the first kind."""
        return next(iter(self.parts.values())).canary(row[0])


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

    Raises:
        ModelFolderError: a fact is of a later version.
    """
    if kind == "late-interaction":
        late = LateInteractionFacts.read(facts)
        return TokenVectorsResult(dimension, late.document_marker, late.skipped, int(late.drops_first))
    if kind == "reranker":
        try:
            return ScoreResult(read_activation(facts.get("activation")))
        except ValueError as error:
            raise ModelFolderError(f"the manifest's {error}: export the model again") from error
    if kind == "sparse":
        if "dropped" in facts:
            return LexicalResult(tuple(cast("list[int]", facts["dropped"])))
        return SparseResult(dimension, cast("int | None", facts["max_active"]))
    if CUT_FROM in facts:
        return CutResult(dimension, cast("int", facts[CUT_FROM]), bool(facts[LAYER_NORM]))
    return VectorResult(dimension)
