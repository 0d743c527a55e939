"""Types shared by the parts of this package: roles, vectors, tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

Vectors: TypeAlias = npt.NDArray[np.float32]
"""float32 ``(n, dimension)``, every row of unit length."""

Rows: TypeAlias = npt.NDArray[np.float32]
"""A graph's output for a batch: one row per text, of whatever shape the model gives it."""

Results: TypeAlias = npt.NDArray[Any]
"""One result a text: :data:`Vectors`, float32 scores ``(n,)``, or an array ``(n,)`` of objects where the results of
texts differ in size. Any part of it is a view, so a window of a long call is filled in its place."""

Kind: TypeAlias = Literal["embedding", "reranker", "sparse", "late-interaction"]
"""Kind of result that a model gives: one vector a text, a score for a query and a text, weights of words, or one vector
a token."""

Role: TypeAlias = Literal["document", "query"]
"""Role of a text, which decides its prefix."""

Pooling: TypeAlias = Literal["cls", "mean", "max", "lasttoken", "none"]
"""Method that turns token vectors into one of a text; ``none`` leaves one for each token."""

Precision: TypeAlias = Literal["fp32", "int8"]
"""fp32: as trained. int8: int8 weights, and uint8 activations with a scale and a zero point for each token."""


TokenIds: TypeAlias = "array[int]"
"""Token ids of a text, special tokens and prefix included: four bytes each, where a list of ints takes 36."""


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
