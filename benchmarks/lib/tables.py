"""Markdown tables, and the figures in them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMPTY = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def rate(amount: float, seconds: Sequence[float]) -> float:
    """Median of an amount over seconds."""
    return statistics.median(amount / each for each in seconds)


def spread(amount: float, seconds: Sequence[float]) -> str:
    """Least and most of an amount over seconds."""
    return f"{figure(amount / max(seconds))}-{figure(amount / min(seconds))}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; a dash for none."""
    if value is None:
        return EMPTY
    before = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, digits - before)}f}"
