"""What is known of one request while it is answered."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.serve.throughput import Lane


@dataclass
class RequestRecord:
    """One request, from its head to its last byte; what metrics and the log tell of it.

    Attributes:
        arrived: When its head was read, by :func:`time.perf_counter`.
        deadline: When it is given up, by the same clock.
        status: Of the answer; 0 while there is none.
        code: Of the error, if it got one.
        lane: Where its texts waited, if it had any.
        texts: How many they are.
        tokens: Theirs, cut at the limit.
        truncated: Texts that were cut.
        cleanup: Closed when the call ends, however it ends.
    """

    arrived: float = field(default_factory=time.perf_counter)
    deadline: float = float("inf")
    status: int = 0
    code: str = ""
    lane: Lane | None = None
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    cleanup: ExitStack = field(default_factory=ExitStack)

    @property
    def seconds(self) -> float:
        """Since it arrived."""
        return time.perf_counter() - self.arrived

    @property
    def seconds_left(self) -> float:
        """Until its deadline."""
        return self.deadline - time.perf_counter()
