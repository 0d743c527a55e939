"""The platform that a model folder was checked on, and its canaries: short texts with the vectors they had there."""

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
class Platform:
    """CPU, kernels and engine that compute vectors. Another platform may round otherwise, so its vectors are checked.

    Attributes:
        cpu: The class of CPU; see :mod:`embed_plugin.cpu.classes`.
        kernels: The instruction set of this package's kernels, or ``onnxruntime`` for its own operators.
        onnxruntime: The release of onnxruntime.
    """

    cpu: str
    kernels: str
    onnxruntime: str

    @property
    def has_own_kernels(self) -> bool:
        """This package's kernels computed the vectors."""
        return self.kernels != "onnxruntime"

    def __str__(self) -> str:
        own = f" with own kernels ({self.kernels})" if self.has_own_kernels else ""
        return f"{self.cpu}{own}, onnxruntime {self.onnxruntime}"


@dataclass(frozen=True)
class CheckedOn:
    """The platform on which a model folder was checked, and its canaries.

    Attributes:
        platform: The platform that computed the vectors.
        canaries: Vector of each canary text: little-endian float32 in base64, as a number on every line would bury
            the rest of the manifest.
        exact: Own kernels computed them, and give the same bits on every CPU.
    """

    platform: Platform
    canaries: Mapping[str, str]
    exact: bool = False

    @classmethod
    def of(cls, platform: Platform, texts: Sequence[str], vectors: Vectors, *, exact: bool = False) -> CheckedOn:
        """Make the record of a check: one vector per text, all of one length."""
        encoded = [base64.b64encode(vector.astype(_FLOAT).tobytes()).decode() for vector in vectors]
        return cls(platform, dict(zip(texts, encoded, strict=True)), exact)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> CheckedOn:
        """Read the record from a manifest's JSON.

        Raises:
            ValueError, TypeError, KeyError: it has another form.
        """
        platform = Platform(**content["platform"])
        exact = content.get("exact", False)  # folders made before say nothing
        names = {"platform", "canaries", "exact"}
        if not all(type(value) is str for value in vars(platform).values()) or content.keys() - names:
            raise ValueError(f"found {content!r:.80}")
        if type(exact) is not bool:
            raise ValueError(f"exact is {exact!r:.80}")
        return cls(platform, content["canaries"], exact)

    def vectors(self, length: int | None) -> Vectors:
        """Return the canaries' vectors, ``(n, length)``.

        Args:
            length: Numbers of a vector; None: as many as the first one has.

        Raises:
            ValueError: there are none, or one is not ``length`` finite numbers in base64.
        """
        rows = [np.frombuffer(base64.b64decode(row, validate=True), _FLOAT) for row in self.canaries.values()]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), length or -1)
        if not vectors.size or not np.isfinite(vectors).all():
            raise ValueError("no canary, or a vector with NaN or infinity")
        return vectors
