"""Graceful stop: the first Ctrl-C or SIGTERM lets running work finish, the second ends the process at once."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ERASED_LINE = "\r\x1b[2K\x1b[?25h"
"""Erases the line that a progress bar stands on, and shows the cursor, which a second signal would leave hidden."""


class Stopped(KeyboardInterrupt):
    """A signal asked the process to stop.

    Attributes:
        exit_code: 128 plus the signal's number, the convention of shells: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def stoppable(says: str = "Stopping when what is under way is stored") -> Iterator[None]:
    """Raise :class:`Stopped` in the block at the first signal, and end the process at the second.

    Context managers inside the block finish their work while the exception passes: a run stores its open window.

    Args:
        says: What is written at the first signal.

    Raises:
        typer.Exit: the block was stopped.
    """
    asked = False
    message = f"{_ERASED_LINE if _is_terminal() else ''}{says}. Once more: at once.\n".encode()

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if asked:  # only in a container's first process, which the kernel's default spares
            os._exit(128 + number)
        asked = True
        for each in _SIGNALS:
            if os.getpid() != 1:
                signal.signal(each, signal.SIG_DFL)
        with suppress(OSError):  # os.write: sys.stderr refuses a write inside an interrupted one
            os.write(2, message)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    if os.getpid() != 1:
        _handle_once()
    try:
        yield
    except Stopped as stopped:
        raise typer.Exit(stopped.exit_code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_terminal() -> bool:
    return os.isatty(2) and os.environ.get("TERM") not in {"dumb", "unknown"}


def _handle_once() -> None:
    """Let the kernel end the process at the second signal of a kind, although Python has not handled the first.

    Python handles a signal when a call into native code returns, which may take long. Where the C library has no
    ``sysv_signal``, as on macOS and Windows, the second signal ends the process once Python has handled the first.
    """
    if sys.platform == "win32":  # where None does not stand for what the process has loaded
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "sysv_signal"):
        return
    for function in (library.signal, library.sysv_signal):
        function.argtypes, function.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    for number in _SIGNALS:
        handler = library.signal(number, None)  # SIG_DFL; returns Python's own handler
        library.sysv_signal(number, handler)
