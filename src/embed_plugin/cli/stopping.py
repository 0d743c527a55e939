"""Graceful stop: the first Ctrl-C or SIGTERM lets running work finish, the second ends the process at once."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked the process to stop.

    Attributes:
        exit_code: 128 plus the signal's number, the convention of shells: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise :class:`Stopped` in the block at the first signal, and end the process at the second.

    Context managers inside the block finish their work while the exception passes: a run stores its open window.
    """
    asked = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        with suppress(OSError):  # os.write: sys.stderr refuses a write inside an interrupted one
            os.write(2, b"Stopping when what is under way is stored. Once more: at once.\n")
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
