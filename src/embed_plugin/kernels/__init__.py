"""Operators for onnxruntime that do several steps of an int8 text encoder at once, in C for CPUs with AVX-512 BF16.

They are built with the package if there is a C compiler (``hatch_build.py``). They are optional: without them, the same
steps are onnxruntime's own operators. A session loads them with ``SessionOptions.register_custom_ops_library``. Their
domain is :data:`DOMAIN`, version 1:

- ``QuantisedProduct(rows, weights, correction, multiplier, bias)``: ``(rows @ weights + correction) * multiplier +
  bias`` of uint8 rows and int8 weights, which are packed as :mod:`embed_plugin.export.int8.kernel_graph` does it.
- ``ProductGeluQuantise(rows, weights, correction, multiplier, bias, scale, zero)``: the exact GELU of that, as uint8.
- ``AddNormQuantise(a, b, gamma, beta, scale, zero, channels, offsets)``, attribute ``epsilon``: the layer norm of
  ``a + b``, as float32 and as uint8.
- ``AttentionQuantise(q, k, v, scale, zero, channels, offsets)``, attribute ``num_heads``, heads of 32 or 64 channels:
  ``softmax(q k^T / sqrt(d)) v`` from ``(n, rows, heads * d)`` and ``(n, length, heads * d)``, as uint8.

``channels`` (int64) and ``offsets`` (float32) name values of a row that are quantised once more, less an offset, and
appended to the row; both may be empty. A row's result does not depend on the other rows in the call.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.cpu import CpuClass

DOMAIN = "embed_plugin"
LIBRARY = Path(__file__).with_name("kernels.so")
CLASSES = ("avx512-bf16", "amx")
"""The classes of CPU that the library is compiled for. It requests AMX from Linux, and works without it if Linux
refuses, or if :data:`~embed_plugin.cpu.classes.INSTRUCTION_SET_VARIABLE` names a class without it."""


@dataclass(frozen=True)
class Kernels:
    """The operators that a session on this machine can have.

    Attributes:
        name: The class of CPU they are written for, or ``onnxruntime`` if a session has only its own operators.
        library: Their file, for ``SessionOptions.register_custom_ops_library``; None if there are none.
        reason: The reason for this choice.
    """

    name: str
    library: Path | None
    reason: str


def choose(cpu: CpuClass) -> Kernels:
    """Choose the operators for a class of CPU: this package's, if they were built and support it."""
    if sys.platform != "linux" or cpu.name not in CLASSES:
        return Kernels("onnxruntime", None, f"own kernels need Linux and one of {', '.join(CLASSES)}, this is {cpu}")
    if not LIBRARY.is_file():
        return Kernels("onnxruntime", None, "this installation has no own kernels: it was made without a C compiler")
    if cpu.name == "amx" and not uses_amx(LIBRARY):
        return Kernels("avx512-bf16", LIBRARY, "Linux, or the way the library was compiled, refuses AMX")
    return Kernels(cpu.name, LIBRARY, f"the own kernels for {cpu}")


def uses_amx(library: Path) -> bool:
    """Return True if new sessions multiply with AMX: the CPU has it, Linux grants it and the variable allows it."""
    return bool(ctypes.CDLL(str(library)).embed_plugin_uses_amx())
