"""The class of CPU a model folder was checked on, and its canaries: short texts with the vectors they had there."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.contracts import Vectors

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class CheckedOn:
    """Where a model folder's vectors were last known to be right.

    Attributes:
        instruction_set: The class of CPU; see :mod:`embed_plugin.encode.instruction_set`.
        canaries: Vector of each canary text: little-endian float32 in base64, for a number on every line would bury
            the rest of the manifest.
    """

    instruction_set: str
    canaries: Mapping[str, str]

    @classmethod
    def of(cls, instruction_set: str, texts: Sequence[str], vectors: Vectors) -> CheckedOn:
        """What to record: one vector ``(dimension,)`` per text."""
        encoded = [base64.b64encode(vector.astype(_FLOAT).tobytes()).decode() for vector in vectors]
        return cls(instruction_set, dict(zip(texts, encoded, strict=True)))

    def vectors(self, dimension: int) -> Vectors:
        """The canaries' vectors, ``(n, dimension)``.

        Raises:
            ValueError: there is none, or one is not ``dimension`` finite numbers in base64.
        """
        rows = [np.frombuffer(base64.b64decode(row, validate=True), _FLOAT) for row in self.canaries.values()]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), dimension)
        if not vectors.size or not np.isfinite(vectors).all():
            raise ValueError("no canary, or a vector with NaN or infinity")
        return vectors
