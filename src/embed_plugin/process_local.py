"""What a forked child cannot inherit: threads, what they were doing, and the locks they held."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class ProcessLocal(Generic[Value]):
    """A value for each process: a forked child makes its own when it first asks, and all its threads get that one."""

    def __init__(self) -> None:
        self._by_process: dict[int, _Slot[Value]] = {}

    def get(self, make: Callable[[], Value]) -> Value:
        """This process's value, made if it is not there."""
        process = os.getpid()
        # setdefault is one operation: the first two threads of a child find one slot, whose lock no parent ever held.
        slot = self._by_process.get(process) or self._by_process.setdefault(process, _Slot())
        if not slot.values:
            with slot.lock:
                if not slot.values:
                    slot.values.append(make())
                    self._by_process = {process: slot}  # the parent's is of no more use
        return slot.values[0]


class _Slot(Generic[Value]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: list[Value] = []
