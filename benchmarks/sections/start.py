"""From the start of a process to its first vector, and its memory after work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contenders.lineup import Lineup, say
from lib.workloads import QUERY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def starts(
    lineup: Lineup, file: Path, settings: Mapping[str, Mapping[str, Any]], times: int
) -> dict[str, dict[str, Any]]:
    """Seconds to import and to the first vector, and peak memory after encoding a workload, of fresh processes.

    Args:
        lineup: Who takes part.
        file: The workload.
        settings: What tuning found for the workload, by contender.
        times: Fresh processes of each.
    """
    figures: dict[str, dict[str, Any]] = {}
    for turn in range(times):
        say(f"  start: {turn + 1} of {times}")
        for contender in lineup.standing(turn):
            lineup.start(contender)
            load = lineup.ask(contender, "load", {"text": QUERY, "settings": settings[contender.name]})
            loaded = lineup.ask(contender, "memory", {}) if load else None
            worked = lineup.ask(contender, "encode", {"texts": str(file)}) if loaded else None
            after = lineup.ask(contender, "memory", {}) if worked else None
            lineup.stop(contender)
            if load and loaded and after:
                row = figures.setdefault(
                    contender.name, {"import_seconds": [], "seconds": [], "loaded_bytes": [], "peak_bytes": []}
                )
                row["import_seconds"].append(load["import_seconds"])
                row["seconds"].append(load["seconds"])
                row["loaded_bytes"].append(loaded["peak_bytes"])
                row["peak_bytes"].append(after["peak_bytes"])
    return figures
