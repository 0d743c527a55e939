"""The command without a process of its own, which takes a second to import what this one has imported."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING

import pytest

from embed_plugin.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str | Path, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    """Run the command; its exit code and what it wrote, as ``subprocess.run`` tells them."""
    command = ["embed-plugin", *map(str, arguments)]
    read = BytesIO(stdin if isinstance(stdin, bytes) else stdin.encode())
    wrote = {name: TextIOWrapper(BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setattr(sys, "stdin", TextIOWrapper(read, "utf-8"))
        for name, stream in wrote.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as end:
            main()
    stdout, stderr = (stream.buffer.getvalue().decode() for stream in wrote.values())
    return subprocess.CompletedProcess(command, int(end.value.code or 0), stdout, stderr)
