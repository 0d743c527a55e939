"""The types that the parts of this package share: roles, vectors, tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

Vectors: TypeAlias = npt.NDArray[np.float32]
"""float32 ``(n, dimension)``, every row of unit length."""

Rows: TypeAlias = npt.NDArray[np.float32]
"""A graph's output for a batch: one row per text, of whatever shape the model gives it."""

Role: TypeAlias = Literal["document", "query"]
"""What a text is for; it decides the prefix."""

Pooling: TypeAlias = Literal["cls", "mean", "max", "lasttoken"]
"""How token vectors become one text vector."""

Precision: TypeAlias = Literal["fp32", "int8", "int8-dynamic"]
"""fp32: as trained. int8: int8 weights, uint8 activations in calibrated ranges. int8-dynamic: the same with ranges
found anew for each text, which therefore runs alone."""


TokenIds: TypeAlias = "array[int]"
"""Token ids of a text, special tokens and prefix included: four bytes each, where a list of ints takes 36."""


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of each text, at most the limit.

    Attributes:
        ids: Those of each text.
        cut: Indexes of the texts that were cut at the limit.
        unknown: For each text the tokens that stand for what the tokenizer does not know, where they were counted.
    """

    ids: list[TokenIds]
    cut: list[int]
    unknown: Sequence[int] = ()
