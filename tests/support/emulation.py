"""Tests that may run on an emulated CPU: QEMU's user mode, whose child processes run on the real one."""

from __future__ import annotations

import sys
from pathlib import Path


def emulator() -> list[str]:
    """The command of the emulator that runs this process; empty on a real CPU."""
    try:  # QEMU shows a guest what it expects in /proc/self, and the truth here
        words = Path("/proc/thread-self/cmdline").read_text().split("\0")
    except OSError:
        return []
    return [] if "qemu" not in words[0] else words[: next(at for at, word in enumerate(words) if "python" in word)]


PYTHON = [*emulator(), sys.executable]
"""The command of a Python on the same CPU."""
