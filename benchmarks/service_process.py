"""The service that is measured, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

PAGE_BYTES = 4096


class ServiceProcess:
    """``embed-plugin serve`` on a free port, until the block ends."""

    def __init__(self, model: Path, *options: str) -> None:
        command = [sys.executable, "-m", "embed_plugin.cli", "serve", str(model), "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own
        assert self.process.stderr is not None  # noqa: S101 - a pipe was asked for
        self.port = int(json.loads(self.process.stderr.readline())["port"])

    def __enter__(self) -> Self:
        while not self._is_ready():
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready"):
                return True
        except urllib.error.HTTPError:
            return False

    @property
    def resident_bytes(self) -> int:
        """Its memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
