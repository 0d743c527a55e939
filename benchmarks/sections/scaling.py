"""One worker against as many as there are cores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contenders import OURS, ROSTER
from contenders.lineup import Lineup, say
from lib.workloads import QUERY

if TYPE_CHECKING:
    from pathlib import Path

    from contenders.process import Place


def scaling(place: Place, files: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Seconds of each round of this project's encoder: ``[workload]["one" | "all"]``."""
    one, every = (replace(ROSTER[OURS], name=f"{OURS}-{name}") for name in ("one", "all"))
    workers = {one.name: 1, every.name: place.threads}
    figures: dict[str, Any] = {"workers": place.threads, "workloads": {}}
    with Lineup([one, every], lambda contender: replace(place, threads=workers[contender.name])) as lineup:
        lineup.load(QUERY)
        for workload, file in files.items():
            say(f"  scaling: workload {workload}")
            seconds: dict[str, list[float]] = {"one": [], "all": []}
            for turn in range(rounds + 1):
                for contender, answer in lineup.ask_all("encode", {"texts": str(file)}, turn):
                    if turn:
                        seconds["one" if contender is one else "all"].append(answer["seconds"])
            figures["workloads"][workload] = seconds
    return figures
