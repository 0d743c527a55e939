"""Check a model folder by its canary texts: another CPU or onnxruntime must give nearly the vectors stored with it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ModelFolderError, OtherCpuWarning
from embed_plugin.model.canaries import CheckedOn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

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


def check_here(tokenizer: TextTokenizer, session: OnnxSession, *, prefix: str, is_exact: bool) -> CheckedOn:
    """Encode the canaries as documents; returns their vectors and the platform that computed them, for a new folder.

    Args:
        tokenizer: The folder's.
        session: The folder's.
        prefix: Of documents.
        is_exact: The graph for own kernels gives the same bits on every CPU.
    """
    exact = is_exact and session.platform.has_own_kernels
    return CheckedOn.of(session.platform, TEXTS, _encode(TEXTS, tokenizer, session, prefix), exact=exact)


def check_moved(
    spec: ModelSpec, tokenizer: TextTokenizer, session: OnnxSession, on_other_cpu: Literal["warn", "error"]
) -> None:
    """Encode the canaries and compare, if the class of CPU, the kernels or onnxruntime differ from the folder's check.

    Where own kernels computed them there and here, they must have the same bits, else nearly the same directions.

    Warns:
        OtherCpuWarning: the vectors differ, and ``on_other_cpu`` is ``warn``.

    Raises:
        ModelFolderError: the vectors differ, and ``on_other_cpu`` is ``error``.
    """
    there, here = spec.checked_on.platform, session.platform
    if there == here:
        return
    vectors = _encode(spec.checked_on.canaries, tokenizer, session, spec.document_prefix)
    stored = spec.checked_on.vectors(spec.dimension)
    cosines = np.sum(vectors * stored, axis=1)
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
    warnings.warn(message, OtherCpuWarning, stacklevel=4)  # the caller of Encoder.load


def _encode(texts: Iterable[str], tokenizer: TextTokenizer, session: OnnxSession, prefix: str) -> Vectors:
    ids = tokenizer.tokenise(list(texts), prefix=prefix, first_index=0).ids
    return np.concatenate([session.run(np.array([tokens], dtype=np.int64)) for tokens in ids])
