"""The machine's ceiling: the most that one core can multiply, and how many texts a second that could be.

The rates of an instruction set are those of its best instruction for exact products of uint8 and int8 (``vpdpbusd``,
or ``vpmaddwd`` of int16 where there is no VNNI) and of its FMA, measured by a C program that is compiled here. The rate
of AMX is measured beside them, where the CPU has it; the machine's ceiling stays that of AVX-512, or of less.
A text of L tokens costs a transformer of h channels and f feed-forward channels, in each layer, 2 L (4 h^2 + 2 h f)
operations in products with weights, which INT8 does at the int8 rate, and 4 L^2 h in attention, which is reckoned at
the rate of fp32.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.kernels import here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lib.checkpoints import Shape

PROGRAM = Path(__file__).with_suffix(".c")
MEASURED = ("avx2", "avx-vnni", "avx512-vnni", "amx")
CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Silicon:
    """Peak of one core, in operations (a multiply-add is two) a second; None, and why, where it is not known.

    Attributes:
        int8_rate: Of the best instruction set but AMX.
        fp32_rate: The same.
        reason: Why they are not known.
        amx_rate: int8 with AMX.
        by_set: int8 and fp32 rate of each instruction set that the CPU has.
    """

    int8_rate: float | None
    fp32_rate: float | None
    reason: str = ""
    amx_rate: float | None = None
    by_set: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def of(self, name: str) -> Silicon:
        """Return the peak of one instruction set alone."""
        int8, fp32 = self.by_set.get(name, (None, None))
        return Silicon(int8, fp32, reason=f"the peak of {name} is not measured")


def measure_silicon() -> Silicon:
    """Compile and run the C program, where there is a compiler and the CPU has an instruction set that it knows."""
    compiler, sets = shutil.which("cc"), [name for name in here() if name in MEASURED]
    if compiler is None:
        return Silicon(None, None, "no C compiler (cc) found")
    if not sets:
        return Silicon(None, None, "this CPU has no AVX2")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "silicon")
        subprocess.run([compiler, "-O2", "-o", str(program), str(PROGRAM)], check=True)  # noqa: S603 - our own file
        printed = subprocess.run([str(program), *sets], check=True, capture_output=True, text=True).stdout  # noqa: S603
    lines = [line.split() for line in printed.splitlines()]
    found = {name: (float(int8) * 1e9, float(fp32) * 1e9) for name, int8, fp32 in lines if float(int8)}
    best = found[[name for name in found if name != "amx"][-1]]
    return Silicon(*best, amx_rate=found["amx"][0] if "amx" in found else None, by_set=found)


def cpu_name() -> str:
    """The name of the CPU, as Linux reports it."""
    lines = CPU_FACTS.read_text(encoding="ascii").splitlines() if CPU_FACTS.exists() else []
    names = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    known = [names.get("model name", platform.processor())]
    known += [f"{key} {names[key]}" for key in ("cpu family", "model") if key in names]
    return ", ".join(known)


def seconds_at_ceiling(lengths: Sequence[int], shape: Shape, silicon: Silicon) -> float | None:
    """Seconds one core needs at the least for texts of these lengths in tokens; None where the peak is not known."""
    if silicon.int8_rate is None or silicon.fp32_rate is None:
        return None
    weights = 2 * shape.layers * (4 * shape.hidden**2 + 2 * shape.hidden * shape.feed_forward)
    attention = 4 * shape.layers * shape.hidden
    return sum(n * weights / silicon.int8_rate + n * n * attention / silicon.fp32_rate for n in lengths)


def ceiling(lengths: Sequence[int], shape: Shape, silicon: Silicon, workers: int) -> float | None:
    """Texts a second that so many cores could encode at the most."""
    seconds = seconds_at_ceiling(lengths, shape, silicon)
    return None if seconds is None else len(lengths) * workers / seconds
