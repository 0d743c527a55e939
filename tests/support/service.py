"""``embed-plugin serve`` as a process of its own, which can be killed and started again at the same address."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import httpx

from conftest import HANG_SECONDS

if TYPE_CHECKING:
    from pathlib import Path


class Service:
    """Serves a model folder from the beginning of the block to its end."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        serve = [sys.executable, "-m", "embed_plugin.cli", "serve"]
        self._command = [*serve, str(folder), "--port", port, "--log-level", "error"]
        self._command += ["--drain-delay", "0", *options]

    def __enter__(self) -> Self:
        self.start()
        while not self._is_ready():
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGKILL)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, "it ended"
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=HANG_SECONDS).is_success
        except httpx.TransportError:
            return False

    def start(self) -> None:
        """Start it, at first or again; clients wait until it is ready."""
        self._process = subprocess.Popen(self._command)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals) -> int:
        """Send it a signal and wait for its end."""
        self.send(number)
        return self._process.wait()
