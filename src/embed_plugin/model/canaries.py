"""The backend a model folder was checked on, and its canaries: short texts with the vectors they had there."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.types import Vectors

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class Backend:
    """What computes vectors. Another one may round otherwise, and must be shown to give nearly the same vectors.

    Attributes:
        cpu: The class of CPU; see :mod:`embed_plugin.cpu.classes`.
        kernels: The class that own kernels are written for, or ``onnxruntime`` for its operators.
        onnxruntime: Its release.
    """

    cpu: str
    kernels: str
    onnxruntime: str

    def __str__(self) -> str:
        own = "" if self.kernels == "onnxruntime" else f" with own kernels ({self.kernels})"
        return f"{self.cpu}{own}, onnxruntime {self.onnxruntime}"


@dataclass(frozen=True)
class CheckedOn:
    """Where a model folder's vectors were last known to be right.

    Attributes:
        backend: What computed them.
        canaries: Vector of each canary text: little-endian float32 in base64, for a number on every line would bury
            the rest of the manifest.
    """

    backend: Backend
    canaries: Mapping[str, str]

    @classmethod
    def of(cls, backend: Backend, texts: Sequence[str], vectors: Vectors) -> CheckedOn:
        """What to record: one vector ``(dimension,)`` per text."""
        encoded = [base64.b64encode(vector.astype(_FLOAT).tobytes()).decode() for vector in vectors]
        return cls(backend, dict(zip(texts, encoded, strict=True)))

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> CheckedOn:
        """What a manifest has.

        Raises:
            ValueError, TypeError, KeyError: it is something else.
        """
        backend = Backend(**content["backend"])
        if not all(type(value) is str for value in vars(backend).values()) or content.keys() != {"backend", "canaries"}:
            raise ValueError(f"found {content!r:.80}")
        return cls(backend, content["canaries"])

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
