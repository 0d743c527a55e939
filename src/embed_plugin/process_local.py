"""A value per process, for what a forked child cannot inherit: threads, their work, and the locks they held."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class ProcessLocal(Generic[Value]):
    """A value for each process: a forked child makes its own on first use, and all its threads share it."""

    def __init__(self) -> None:
        self._by_process: dict[int, _Slot[Value]] = {}

    def get(self, make: Callable[[], Value]) -> Value:
        """Return this process's value; make it on first use."""
        process = os.getpid()
        # setdefault is one operation: the first two threads of a child find one slot, whose lock no parent ever held.
        slot = self._by_process.get(process) or self._by_process.setdefault(process, _Slot())
        if not slot.values:
            with slot.lock:
                if not slot.values:
                    slot.values.append(make())
                    self._by_process = {process: slot}  # drops the parent's
        return slot.values[0]


class _Slot(Generic[Value]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: list[Value] = []
