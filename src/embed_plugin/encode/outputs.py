"""The seam between a graph's output and a caller's result: a row of the graph's output becomes a text's vector.

The batch queue, the runtime and the encoder make and fill results through this class alone. A model with another kind
of output (a score, token vectors, sparse weights) needs another class with the same methods, and nothing else there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import EncodingError

if TYPE_CHECKING:
    from embed_plugin.types import Rows, Vectors


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

    def check(self, rows: Rows, texts: int) -> None:
        """Refuse rows that are too few, or that numpy would stretch to a vector.

        Raises:
            EncodingError: the graph's output for a batch is not ``(texts, dimension)``.
        """
        if rows.shape != (expected := (texts, self.dimension)):
            found = f"vectors of the shape {rows.shape}, expected {expected}"
            raise EncodingError(f"the model returned {found}: export it again")

    def put(self, row: Rows, result: Vectors, index: int) -> None:
        """Store one row of the graph's output as the vector of the text at ``index``."""
        result[index] = row
