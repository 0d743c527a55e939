"""The classes of CPU that run a model in different ways, and the class of this machine.

An int8 graph multiplies uint8 activations with int8 weights. x86 CPUs with VNNI, and ARM, add such products up in 32
bits. x86 CPUs without VNNI add two of them in 16 bits, which saturates: 255 * 127 + 255 * 127 is past 32767. The
classes follow the choice that onnxruntime makes for its matrix kernels (``core/mlas/lib/platform.cpp``, 1.32), and
divide it further where :mod:`embed_plugin.kernels` has more than one way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.cpu.features import cpu_family, cpu_flags
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

INSTRUCTION_SET_VARIABLE = "EMBED_PLUGIN_INSTRUCTION_SET"
"""The environment variable that names a class to use in place of the best one that this CPU has."""

LEAST = "scalar"
"""In place of a class, the least one of any family: no instruction that not every CPU has."""


@dataclass(frozen=True)
class CpuClass:
    """A class of CPU.

    Attributes:
        name: Its name, here and in :data:`INSTRUCTION_SET_VARIABLE`.
        family: The CPU family, as :func:`~embed_plugin.cpu.features.cpu_family` names it.
        flags: The flags that a CPU of this class has, by Linux's names.
        saturates: True where onnxruntime's products of uint8 and int8 may be wrong.
    """

    name: str
    family: str
    flags: frozenset[str]
    saturates: bool = False

    def __str__(self) -> str:
        return self.name


_AVX2 = frozenset({"avx2", "fma"})
_AVX512 = _AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
_VNNI = _AVX512 | {"avx512_vnni"}
_BF16 = _VNNI | {"avx512_bf16"}

_EACH = (
    CpuClass("x86-64", "x86-64", frozenset(), saturates=True),  # also where the flags are unknown
    CpuClass("avx2", "x86-64", _AVX2, saturates=True),
    CpuClass("avx-vnni", "x86-64", _AVX2 | {"avx_vnni"}),
    CpuClass("avx512", "x86-64", _AVX512, saturates=True),
    CpuClass("avx512-vnni", "x86-64", _VNNI),
    CpuClass("avx512-bf16", "x86-64", _BF16),
    CpuClass("amx", "x86-64", _BF16 | {"amx_tile", "amx_int8", "amx_bf16"}),
    CpuClass("arm64", "arm64", frozenset()),
    CpuClass("dotprod", "arm64", frozenset({"asimddp"})),
    CpuClass("i8mm", "arm64", frozenset({"asimddp", "i8mm"})),
)
CLASSES = {each.name: each for each in _EACH}
"""All classes by name, in each family from the least to the best."""


def detect_class() -> CpuClass:
    """Return the best class of this machine's CPU, or the one that :data:`INSTRUCTION_SET_VARIABLE` names.

    Raises:
        InvalidInputError: the variable names a class that this CPU does not belong to, or none at all.
    """
    possible = classes_of(cpu_family(), cpu_flags())
    name = os.environ.get(INSTRUCTION_SET_VARIABLE)
    return _named(name, possible) if name else possible[-1]


def classes_of(family: str, flags: AbstractSet[str]) -> list[CpuClass]:
    """Return the classes that a CPU belongs to, from the least to the best; at least one."""
    return [each for each in CLASSES.values() if each.family == family and each.flags <= flags] or [
        CpuClass(family, family, frozenset())
    ]


def _named(name: str, possible: list[CpuClass]) -> CpuClass:
    if name == LEAST:
        return possible[0]
    for each in possible:
        if each.name == name:
            return each
    found = f"{INSTRUCTION_SET_VARIABLE} is {name!r}, which this CPU ({possible[-1]}) is not"
    expected = ", ".join([LEAST, *(each.name for each in possible)])
    raise InvalidInputError(f"{found}; expected {expected}, or no such variable for the best of them")
