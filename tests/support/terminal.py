"""A pseudo-terminal as the stderr of a command."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from typing import TYPE_CHECKING, Self

from conftest import HANG_SECONDS

if TYPE_CHECKING:
    from types import TracebackType


class Terminal:
    """The screen's end of it; stdin and stdout of the command are pipes."""

    def __enter__(self) -> Self:
        self._screen, self._stderr = pty.openpty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._screen)

    def start(self, *command: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=environment, text=True
        )
        os.close(self._stderr)
        return process

    def read_until(self, word: str) -> str:
        shown, given_up = "", time.monotonic() + HANG_SECONDS
        while word not in shown:
            shown += (part := self._read())
            assert part, shown
            assert time.monotonic() < given_up, shown
        return shown

    def read_to_the_end(self) -> str:
        return "".join(iter(self._read, ""))

    def _read(self) -> str:
        try:
            return os.read(self._screen, 4096).decode(errors="replace")
        except OSError:  # the command has ended
            return ""
