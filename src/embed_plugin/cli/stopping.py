"""Graceful stop: the first Ctrl-C or SIGTERM lets running work finish, the second ends the process at once."""

from __future__ import annotations

import ctypes
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
        if asked:  # only in a container's first process, which the kernel's default spares
            os._exit(128 + number)
        asked = True
        for each in _SIGNALS:
            if os.getpid() != 1:
                signal.signal(each, signal.SIG_DFL)
        with suppress(OSError):  # os.write: sys.stderr refuses a write inside an interrupted one
            os.write(2, b"Stopping when what is under way is stored. Once more: at once.\n")
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    if os.getpid() != 1:
        _handle_once()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle_once() -> None:
    """Let the kernel end the process at the second signal of a kind, although Python has not handled the first.

    Python handles a signal when a call into native code returns, which may take long. Where the C library has no
    ``sysv_signal``, as on macOS, the second signal ends the process once Python has handled the first.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "sysv_signal"):
        return
    for function in (library.signal, library.sysv_signal):
        function.argtypes, function.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    for number in _SIGNALS:
        handler = library.signal(number, None)  # SIG_DFL; returns Python's own handler
        library.sysv_signal(number, handler)
