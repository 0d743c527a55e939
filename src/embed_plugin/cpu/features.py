"""Read the features of this machine's CPU, by the names that Linux gives them."""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from embed_plugin.cpu.library import LIBRARY, library_flags

CPUINFO = Path("/proc/cpuinfo")
_LINES_OF_FLAGS = ("flags", "Features")
_FAMILIES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}
_WINDOWS_PYTHONS = {"win-amd64": "AMD64", "win-arm64": "ARM64"}
_APPLE_NAMES = {"avx2_0": "avx2", "feat_dotprod": "asimddp", "feat_i8mm": "i8mm"}


def cpu_family() -> str:
    """Return ``x86-64``, ``arm64``, or Python's own name of another family.

    On Windows it is what this Python was built for: an ARM64 CPU runs one for x86-64 too, and then this process has
    the instructions of x86-64.
    """
    machine = _WINDOWS_PYTHONS.get(sysconfig.get_platform()) or platform.machine()
    return _FAMILIES.get(machine.lower(), machine)


def cpu_flags() -> set[str]:
    """Return the flags of this CPU that are known, as far as classes of CPU need them.

    The library of own kernels asks the CPU itself. Without it they are the operating system's, and on Windows, which
    lists none, there are none.
    """
    if sys.platform == "darwin":
        return apple_flags(_sysctl())
    return library_flags(LIBRARY) or linux_flags(CPUINFO)


def linux_flags(cpuinfo: Path) -> set[str]:
    """Return the flags of the first CPU in ``/proc/cpuinfo``; none if the file cannot be read."""
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
    """Return the flags in the output of macOS's ``sysctl hw.optional``, by Linux's names."""
    present = [line.split(":")[0] for line in sysctl.splitlines() if line.endswith(": 1")]
    names = [name.rpartition(".")[2].lower() for name in present]
    return {_APPLE_NAMES.get(name, name) for name in names}


def _sysctl() -> str:
    command = ["/usr/sbin/sysctl", "hw.optional"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - no input in it
