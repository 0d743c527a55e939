"""Records one request, for metrics and the log."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.serve.throughput import Lane


@dataclass
class RequestRecord:
    """One request, from its head to its last byte.

    Attributes:
        arrived: Time at which its head was read, by :func:`time.perf_counter`.
        deadline: Time at which it is abandoned, by the same clock.
        status: Status of the response; 0 before it begins.
        code: Code of the error; empty without one.
        model: Name of the model that got its texts; empty without texts.
        lane: Lane in which its texts waited; None without texts.
        texts: Number of texts.
        tokens: Number of their tokens, cut at the limit.
        truncated: Number of texts that were cut.
        cleanup: Closed when the request ends, however it ends.
    """

    arrived: float = field(default_factory=time.perf_counter)
    deadline: float = float("inf")
    status: int = 0
    code: str = ""
    model: str = ""
    lane: Lane | None = None
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    cleanup: ExitStack = field(default_factory=ExitStack)

    @property
    def seconds(self) -> float:
        """Seconds since it arrived."""
        return time.perf_counter() - self.arrived

    @property
    def seconds_left(self) -> float:
        """Seconds until its deadline."""
        return self.deadline - time.perf_counter()
