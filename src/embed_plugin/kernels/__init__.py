"""Operators for onnxruntime that do several steps of an int8 text encoder at once, in C for CPUs with AVX-512 BF16.

They are built with the package where a compiler is (``hatch_build.py``), and are an extra: without them, the same steps
are onnxruntime's own operators. A session gets them with ``SessionOptions.register_custom_ops_library``. They are of
the domain :data:`DOMAIN`, version 1:

- ``QuantisedProduct(rows, weights, correction, multiplier, bias)``: ``(rows @ weights + correction) * multiplier +
  bias`` of uint8 rows and int8 weights, which are packed as :func:`embed_plugin.export.kernel_graph.packed` does it.
- ``ProductGeluQuantise(rows, weights, correction, multiplier, bias, scale, zero)``: the exact GELU of that, as uint8.
- ``AddNormQuantise(a, b, gamma, beta, scale, zero, channels, offsets)``, attribute ``epsilon``: the layer norm of
  ``a + b``, as float32 and as uint8.
- ``AttentionQuantise(q, k, v, scale, zero, channels, offsets)``, attribute ``num_heads``, heads of 32 or 64 channels:
  ``softmax(q k^T / sqrt(d)) v`` from ``(n, rows, heads * d)`` and ``(n, length, heads * d)``, as uint8.

``channels`` (int64) and ``offsets`` (float32) name values of a row that are quantised once more, less an offset, and
stand behind the row; both may be empty. A row's result does not depend on what other rows are in the call.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

from embed_plugin.encode.instruction_set import CPUINFO, linux_flags

DOMAIN = "embed_plugin"
LIBRARY = Path(__file__).with_name("kernels.so")
NEEDED_FLAGS = {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16", "fma"}
"""What the library is compiled for. Linux lists a flag when it saves the registers that come with it, too. AMX is not
among them: the library asks for it when it is first used, and does without where it is refused."""


def library() -> Path | None:
    """The compiled operators, or None where they were not built or this machine cannot run them."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not LIBRARY.is_file():
        return None
    return LIBRARY if linux_flags(CPUINFO) >= NEEDED_FLAGS else None


def uses_amx(library: Path) -> bool:
    """Whether the operators multiply with AMX in this process: the CPU has it, and Linux grants it."""
    return bool(ctypes.CDLL(str(library)).embed_plugin_uses_amx())
