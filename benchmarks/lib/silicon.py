"""The machine's ceiling: the most that one core can multiply, and how many texts a second that could be.

The int8 rate is that of AVX-512 VNNI, the fp32 rate that of AVX-512 FMA, measured by a C program that is compiled here.
The int8 rate of AMX is measured beside them, where the CPU has it; the ceiling stays that of AVX-512 on every machine.
A text of L tokens costs a transformer of h channels and f feed-forward channels, in each layer, 2 L (4 h^2 + 2 h f)
operations in products with weights, which INT8 does at the int8 rate, and 4 L^2 h in attention, which stays fp32.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lib.checkpoints import Shape

PROGRAM = Path(__file__).with_suffix(".c")
NEEDED = {"avx512f", "avx512_vnni"}
CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Silicon:
    """Peak of one core, in operations (a multiply-add is two) a second; None, and why, where it is not known."""

    int8_rate: float | None
    fp32_rate: float | None
    reason: str = ""
    amx_rate: float | None = None


def measure_silicon() -> Silicon:
    """Compile and run the C program, where there is a compiler and the CPU has the instructions."""
    compiler = shutil.which("cc")
    if compiler is None:
        return Silicon(None, None, "no C compiler (cc) found")
    if platform.machine() != "x86_64" or not cpu_flags() >= NEEDED:
        return Silicon(None, None, "this CPU has no AVX-512 VNNI")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "silicon")
        subprocess.run([compiler, "-O2", "-o", str(program), str(PROGRAM)], check=True)  # noqa: S603 - our own file
        printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout  # noqa: S603
    int8, fp32, amx = (float(figure) * 1e9 for figure in printed.split())
    return Silicon(int8, fp32, amx_rate=amx or None)


def cpu_flags() -> set[str]:
    """The first CPU's flags."""
    lines = CPU_FACTS.read_text(encoding="ascii").splitlines() if CPU_FACTS.exists() else []
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


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
