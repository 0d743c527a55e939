"""The table of the outcome of each load."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from lib.open_loop import OK, OVERLOADED
from lib.tables import figure

if TYPE_CHECKING:
    from lib.open_loop import Outcome


def row_of(load: float, outcome: Outcome) -> list[str]:
    """A line of the table."""
    count = outcome.statuses
    cells = [f"{100 * load:.0f} %"]
    for kind in ("query", "bulk"):
        taken = 1000 * np.array(outcome.seconds[kind] or [np.nan])
        refused = count[kind, OVERLOADED]
        answered = count[kind, OK]
        lost = sum(number for (of, status), number in count.items() if of == kind and status not in {OK, OVERLOADED})
        cells += [
            f"{figure(float(np.percentile(taken, 50)))}, {figure(float(np.percentile(taken, 99)))}",
            f"{answered}, {refused}, {lost}",
        ]
    later = outcome.let_in_later
    memory = [each / 2**20 for each in outcome.resident_bytes]
    tenth = max(1, len(memory) // 10)
    return [
        *cells,
        f"{later[True]} of {later.total()}" if later else "-",
        str(outcome.wrong),
        f"{statistics.median(memory[:tenth]):.0f} to {statistics.median(memory[-tenth:]):.0f}, most {max(memory):.0f}",
    ]


HEAD = (
    "load",
    "query p50, p99 ms",
    "queries answered, 429, lost",
    "bulk p50, p99 ms",
    "bulk answered, 429, lost",
    "let in after Retry-After",
    "wrong vectors",
    "MiB, first tenth to last",
)
