"""The service that is measured, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

PAGE_BYTES = 4096


class ServiceProcess:
    """``embed-plugin serve`` on a free port, until the block ends. Its log goes to a file, as a service's does."""

    def __init__(self, model: Path, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name, "log")
        command = [sys.executable, "-m", "embed_plugin.cli", "serve", str(model), "--port", "0"]
        command += ["--drain-delay", "0", *options]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log)  # noqa: S603 - our own
        self.port = 0

    def __enter__(self) -> Self:
        while not self._is_ready():
            if self.process.poll() is not None:
                raise SystemExit(self._log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        self._folder.cleanup()

    def _is_ready(self) -> bool:
        lines = self._log.read_text(encoding="utf-8").splitlines()
        if not lines:
            return False
        self.port = int(json.loads(lines[0])["port"])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready"):
                return True
        except urllib.error.HTTPError:
            return False

    @property
    def resident_bytes(self) -> int:
        """Its memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
