"""A real Qdrant server for the tests that need one: ``qdrant`` of the PATH, started with an empty storage."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_SECONDS = 0.05


def qdrant_program() -> str | None:
    """The program on the PATH, if there is one."""
    return shutil.which("qdrant")


@contextmanager
def started_qdrant(program: str, *, give_up_after_seconds: float) -> Iterator[str]:
    """Start the server on free ports; yields its URL, and ends it.

    Raises:
        RuntimeError: it ended, or did not become ready; with what it wrote.
    """
    with TemporaryDirectory() as folder:
        port = _free_ports()
        settings = {
            "SERVICE__HOST": "127.0.0.1",
            "SERVICE__HTTP_PORT": str(port),
            "SERVICE__GRPC_PORT": str(port + 1),
            "STORAGE__STORAGE_PATH": f"{folder}/storage",
            "STORAGE__SNAPSHOTS_PATH": f"{folder}/snapshots",
            "TELEMETRY_DISABLED": "true",
        }
        environment = os.environ | {f"QDRANT__{name}": value for name, value in settings.items()}
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([program], cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process, log, give_up_after_seconds)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _free_ports() -> int:
    """A free port whose neighbour is free too, where clients look for gRPC."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, give_up_after_seconds: float) -> None:
    give_up = time.monotonic() + give_up_after_seconds
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with urlopen(f"{url}/readyz", timeout=give_up_after_seconds):  # noqa: S310 - our own server
                return
        except (OSError, HTTPException):
            time.sleep(_POLL_SECONDS)
    how = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
    raise RuntimeError(f"{process.args!r} {how}: {log.read_text(errors='replace')[-2000:]}")
