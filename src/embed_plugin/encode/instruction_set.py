"""Which of onnxruntime's kernels this CPU runs, and whether its int8 products are exact.

An int8 graph multiplies uint8 activations with int8 weights. x86 CPUs with VNNI, and ARM, add such products up in 32
bits. x86 CPUs without VNNI add two of them in 16 bits, which saturates: 255 * 127 + 255 * 127 is past 32767. The names
follow the choice that onnxruntime makes for its matrix kernels (``core/mlas/lib/platform.cpp``, 1.32).
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_AVX512_KERNELS = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
_LINES_OF_FLAGS = ("flags", "Features")
_MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
_APPLE_NAMES = {"avx2_0": "avx2", "feat_dotprod": "asimddp", "feat_i8mm": "i8mm"}


def detect() -> str:
    """The class of this machine's CPU, such as ``x86-64 avx512-vnni``, ``x86-64 avx2`` or ``arm64 dotprod``.

    Windows tells no program in one call which of these it has: there it is the bare ``x86-64`` or ``arm64``.
    """
    flags = apple_flags(_sysctl()) if sys.platform == "darwin" else linux_flags(CPUINFO)
    return classify(platform.machine(), flags)


def classify(machine: str, flags: set[str]) -> str:
    """The class of a CPU, from the name of its machine and its flags as Linux writes them."""
    family = _MACHINES.get(machine.lower(), machine)
    if family == "x86-64":
        return f"{family} {_x86_kernels(flags)}".strip()
    if family == "arm64":
        return f"{family} {_arm_kernels(flags)}".strip()
    return family


def saturates(instruction_set: str) -> bool:
    """Whether products of uint8 and int8 may be wrong; a CPU whose flags are not known counts as such."""
    return instruction_set.startswith("x86-64") and not instruction_set.endswith("vnni")


def _x86_kernels(flags: set[str]) -> str:
    if "avx2" not in flags or "fma" not in flags:
        return ""
    if flags >= _AVX512_KERNELS:
        return "avx512-vnni" if "avx512_vnni" in flags else "avx512"
    return "avx-vnni" if "avx_vnni" in flags else "avx2"


def _arm_kernels(flags: set[str]) -> str:
    if "i8mm" in flags:
        return "i8mm"
    return "dotprod" if "asimddp" in flags else ""


def linux_flags(cpuinfo: Path) -> set[str]:
    """The flags of the first CPU in ``/proc/cpuinfo``; none where there is no such file."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, flags = line.partition(":")
                if name.strip() in _LINES_OF_FLAGS:
                    return set(flags.split())
    except OSError:
        pass
    return set()


def apple_flags(sysctl: str) -> set[str]:
    """The flags in what macOS's ``sysctl hw.optional`` prints, by Linux's names."""
    present = [line.split(":")[0] for line in sysctl.splitlines() if line.endswith(": 1")]
    names = [name.rpartition(".")[2].lower() for name in present]
    return {_APPLE_NAMES.get(name, name) for name in names}


def _sysctl() -> str:
    command = ["/usr/sbin/sysctl", "hw.optional"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - no input in it
