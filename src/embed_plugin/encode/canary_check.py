"""Check a model folder by its canary texts: another CPU or onnxruntime must give nearly the vectors stored with it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ModelFolderError, OtherCpuWarning
from embed_plugin.model.canaries import CheckedOn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    import numpy.typing as npt

    from embed_plugin.encode.outputs import Result
    from embed_plugin.encode.session import OnnxSession
    from embed_plugin.encode.tokenizer import TextTokenizer
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Vectors

TEXTS = (
    "The cat sat on the mat.",
    "how do I reset my password?",
    "人工智能正在改变我们的生活方式，检索系统也不例外。",
    "def area(radius: float) -> float:\n    return 3.14159 * radius**2  # r < 0 is the caller's fault",
    (
        "Mitochondria are organelles of eukaryotic cells. They make most of a cell's adenosine triphosphate, which "
        "serves as a source of chemical energy, and they take part in signalling, differentiation and cell death. A "
        "human cell holds from none, as in red blood cells, to more than two thousand, as in the liver."
    ),
)
"""The canary texts of new folders; an existing folder is checked with the texts stored in it."""

FLOOR = 0.998
"""Least mean cosine between the canaries' vectors here and those in the folder. int8 all-MiniLM-L6-v2 has 1.0000 where
products are exact (AVX2, AVX-512) and 0.9968 where they saturate, and of 500 texts no five had more than 0.9974 there.
A single text may have less though nothing is wrong: fp32 rounds otherwise and an activation falls into the next step of
its scale. 0.9964 was seen, between ARM and x86, so the mean is compared and not each text. See
docs/measurements/instruction-sets.md."""


@dataclass(frozen=True)
class Loaded:
    """The parts of a loaded model that its canaries are run with.

    Attributes:
        tokenizer: Turns the canary texts into token ids.
        session: Runs them.
        result: Takes what stands for a text out of a row.
    """

    tokenizer: TextTokenizer
    session: OnnxSession
    result: Result


def check_here(loaded: Loaded, *, prefix: str, is_exact: bool) -> CheckedOn:
    """Encode the canaries as documents; returns their vectors and the platform that computed them, for a new folder.

    Args:
        loaded: The folder's.
        prefix: Of documents.
        is_exact: The graph for own kernels gives the same bits on every CPU.
    """
    platform = loaded.session.platform
    exact = is_exact and platform.has_own_kernels
    return CheckedOn.of(platform, TEXTS, _encode(TEXTS, loaded, prefix), exact=exact)


def check_moved(spec: ModelSpec, loaded: Loaded, on_other_cpu: Literal["warn", "error"]) -> None:
    """Encode the canaries and compare, if the class of CPU, the kernels or onnxruntime differ from the folder's check.

    Where own kernels computed them there and here, they must have the same bits, else nearly the same directions.

    Warns:
        OtherCpuWarning: the vectors differ, and ``on_other_cpu`` is ``warn``.

    Raises:
        ModelFolderError: the vectors differ, and ``on_other_cpu`` is ``error``.
    """
    there, here = spec.checked_on.platform, loaded.session.platform
    if there == here:
        return
    vectors = _encode(spec.checked_on.canaries, loaded, spec.prefix("document"))
    stored = spec.checked_on.vectors(vectors.shape[1])
    cosines = _cosines(vectors, stored)
    exact = spec.checked_on.exact and here.has_own_kernels
    if np.array_equal(vectors, stored) if exact else cosines.mean() >= FLOOR:
        return
    moved = f"this folder was checked on {there}, this is {here}, and its vectors differ here"
    expected = "the same bits, which own kernels give on every CPU" if exact else f"{FLOOR} or more"
    found = f"the canary texts' mean cosine is {cosines.mean():.4f} (least {cosines.min():.4f}), expected {expected}"
    remedy = f"install onnxruntime {there.onnxruntime}, " if there.onnxruntime != here.onnxruntime else ""
    remedy += "use a folder exported here or with --precision fp32, or accept it with on_other_cpu='ignore'"
    message = f"{moved}: {found}; {remedy}"
    if on_other_cpu == "error":
        raise ModelFolderError(message)
    warnings.warn(message, OtherCpuWarning, stacklevel=5)  # the caller of Encoder.load


def _cosines(vectors: Vectors, stored: Vectors) -> npt.NDArray[np.float32]:
    """Cosine of each text's vectors; of scores, which are single numbers, that of all texts' together.

    Two vectors without any number above 0, which sparse ones may be, are equal.
    """
    if vectors.shape[1] == 1:
        vectors, stored = vectors.T, stored.T
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(stored, axis=1)
    cosines = np.sum(vectors * stored, axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.asarray(np.where(vectors.any(axis=1) | stored.any(axis=1), cosines, 1), np.float32)


def _encode(texts: Iterable[str], loaded: Loaded, prefix: str) -> Vectors:
    """Run each text and return what stands for its result, ``(n, length)``."""
    ids = loaded.tokenizer.tokenise(list(texts), prefix=prefix, first_index=0).ids
    rows = [loaded.session.run(np.array([tokens], dtype=np.int64))[0] for tokens in ids]
    return np.array([loaded.result.canary(row) for row in rows])
