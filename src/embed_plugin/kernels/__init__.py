"""Operators for onnxruntime that do several steps of an int8 text encoder at once, in C.

They are built with the package if there is a C compiler (``hatch_build.py``), once for each instruction set that it
knows, and the library finds out which of them the CPU has. All give the same results, bit for bit. They are optional:
without them, the same steps are onnxruntime's own operators. A session loads them with
``SessionOptions.register_custom_ops_library``. Their domain is :data:`DOMAIN`, version 1:

- ``QuantiseRows(x, kept)``: uint8 rows of the shape of ``x``, and float32 terms ``(..., 2 + kept)`` of each row: scale,
  middle, and the values of the kept channels (int64, may be empty). ``x`` is nearly ``scale * (rows - 128) + middle``,
  in a range of the row's own that holds 0 and leaves the kept channels out.
- ``QuantisedProduct(rows, terms, weights, correction, multiplier, term_weights, bias)``: ``scale * multiplier * (rows @
  weights + correction) + terms[1:] @ term_weights + bias``, with int8 weights that are packed as
  :mod:`embed_plugin.export.int8.kernel_graph` does it, and a correction of -128 times the sum of a column's weights.
- ``ProductGeluQuantise(..., kept)``: the GELU of that, as rows and terms.
- ``ProductGateQuantise(..., kept)``, attributes ``activation`` (0 GELU, 1 its tanh form, 2 SiLU, 3 ReLU) and ``gated``:
  the activation of a product, as rows and terms; if gated, the first half of its columns times the activation of the
  second.
- ``AddNormQuantise(a, b, gamma, beta, kept)``, attributes ``epsilon`` and ``rms``: the layer norm of ``a + b``, as
  float32, and as rows and terms. A beta may be empty: there is none. With ``rms``, which may be left out, no mean is
  subtracted: the norm of the root mean square. Both hold for the other norms, too.
- ``AddThenNormQuantise(a, b, gamma, beta, kept)``: ``a + b`` as float32, and its norm as rows and terms.
- ``AttentionQuantise(q, k, v, kept, seen)``, attribute ``num_heads``, heads of 16 to 256 channels, a multiple of 16:
  ``softmax(q k^T / sqrt(d)) v`` from ``(n, rows, heads * d)`` and ``(n, length, heads * d)``, as rows and terms. The
  queries of a text see its first keys, as many as ``seen`` (int64, ``(n,)``) says; it may be left out: they see all.
- ``RuleAttentionQuantise(q, k, v, bias, kept, seen)``, attributes ``num_heads``, ``kv_heads``, each of which serves as
  many neighbouring heads of queries, ``scale`` of the scores, ``causal`` and ``window``, the most positions between a
  query and a key that it sees, -1 for any: attention of queries from position 0 on, no more than keys. The bias is
  empty or ``(num_heads, 2 * positions - 1)`` and added to the scaled scores: column ``positions - 1 + j - i`` for query
  ``i`` and key ``j``.
- ``RotateHeads(x, cosines, sines, gamma)``, attributes ``num_heads`` and ``epsilon``: channel ``i`` of each head of
  ``(n, length, heads * d)`` turned with channel ``i + d / 2`` by the angles of its position, ``(positions, d / 2)``;
  before that the head's RMS norm, unless gamma is empty.
- ``NormRows(x, gamma, beta)``: the layer norm of ``x``, or with ``rms`` its RMS norm.
- ``SumTokens(x)``: the sum of each text's tokens, ``(n, length, h)`` to ``(n, 1, h)``.
- ``MultiplyColumn(x, weight)``: ``weight @ x``, ``(n, in, 1)`` by ``(out, in)`` to ``(n, out, 1)``.
- ``UnitRows(x)``, attribute ``epsilon``: ``x / sqrt(sum(x ** 2) + epsilon)`` of each row.

A row's result does not depend on the other rows in the call, nor on the threads of the session, which share the work.
Inputs whose shapes do not fit are refused; a row with NaN or infinity has a result of no use.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.cpu import library
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE, LEAST, classes_of
from embed_plugin.cpu.features import cpu_family, cpu_flags

if TYPE_CHECKING:
    from embed_plugin.cpu import CpuClass

DOMAIN = "embed_plugin"
THREADS_ENTRY = "embed_plugin.threads"
"""The entry of a session's configuration that tells the operators its number of threads; they read it when they are
registered."""
LIBRARY = library.LIBRARY
NO_LIBRARY = Path(__file__).with_name("no_library.txt")
"""Where the build keeps the reason why it made no library."""
INSTRUCTION_SETS = (LEAST, "avx2", "avx-vnni", "avx512-vnni", "amx", "dotprod", "i8mm")
"""What the operators are written for, in each family of CPU from C alone to the best; all give the same bits."""


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
    """Choose the operators for a class of CPU: this package's, if they were built and it has instructions for them."""
    if not LIBRARY.is_file():
        return Kernels("onnxruntime", None, f"this installation has no own kernels: {_reason_for_no_library()}")
    try:
        name = arithmetic_of(LIBRARY)
    except (OSError, AttributeError) as error:
        problem = f"the own kernels cannot be loaded ({error})"
        return Kernels("onnxruntime", None, f"{problem}: install the package again")
    if name == LEAST and os.environ.get(INSTRUCTION_SET_VARIABLE) != LEAST:
        slow = f"C alone is slower than its operators, and own kernels know no instructions of {cpu}"
        return Kernels("onnxruntime", None, f"{slow}; {INSTRUCTION_SET_VARIABLE}={LEAST} gives their bits all the same")
    return Kernels(name, LIBRARY, f"the own kernels for {name}, on {cpu}")


def _reason_for_no_library() -> str:
    try:
        return NO_LIBRARY.read_text(encoding="utf-8").strip()
    except OSError:
        return "it was made without a C compiler"


def here() -> list[str]:
    """Name the instruction sets that this CPU can run, from the least to the best."""
    names = [LEAST, *(each.name for each in classes_of(cpu_family(), cpu_flags()))]
    return [name for name in INSTRUCTION_SETS if name in names]


def arithmetic_of(library: Path) -> str:
    """Return the instruction set that new sessions use: the best that this CPU has and the variable allows."""
    find = ctypes.CDLL(str(library)).embed_plugin_arithmetic
    find.restype = ctypes.c_char_p
    found: bytes = find()
    return found.decode("ascii")
