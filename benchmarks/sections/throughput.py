"""Texts a second on workloads, in rounds; closeness to exact vectors; latency of one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contenders import EXACT
from contenders.lineup import Lineup, say
from lib.workloads import QUERY

if TYPE_CHECKING:
    from pathlib import Path

    from sections.amounts import Amounts

PAUSE_SECONDS = 0.005
LATENCY_REPEATS = 15
WARM_UP_QUERIES = 5


def throughput(lineup: Lineup, files: dict[str, Path], amounts: Amounts, scratch: Path) -> dict[str, dict[str, Any]]:
    """Seconds of each round, settings and cosines of each contender and workload: ``[contender][workload]``."""
    figures: dict[str, dict[str, Any]] = {contender.name: {} for contender in lineup.contenders}
    for workload, file in files.items():
        found = _tune_and_warm(lineup, workload, file, amounts, scratch)
        for turn in range(amounts.rounds):
            say(f"  workload {workload}: round {turn + 1} of {amounts.rounds}")
            for contender, answer in lineup.ask_all("encode", {"texts": str(file)}, turn):
                found[contender.name]["seconds"].append(answer["seconds"])
                found[contender.name]["cpu_seconds"].append(answer["cpu_seconds"])
        for name, figure in found.items():
            figures[name][workload] = figure | cosines(
                scratch / f"{name}-{workload}.npy", scratch / f"{EXACT}-{workload}.npy"
            )
    return figures


def _tune_and_warm(
    lineup: Lineup, workload: str, file: Path, amounts: Amounts, scratch: Path
) -> dict[str, dict[str, Any]]:
    """The settings of each contender; each has then encoded the workload once, and left its vectors in a file."""
    found: dict[str, dict[str, Any]] = {}
    for contender in lineup.standing():
        say(f"  workload {workload}: tune {contender.name}")
        tuning = lineup.ask(contender, "tune", {"texts": str(file), "count": amounts.tuned_on, "repeats": 1})
        target = scratch / f"{contender.name}-{workload}.npy"
        if tuning and lineup.ask(contender, "encode", {"texts": str(file), "save": str(target)}):
            found[contender.name] = {**tuning, "seconds": [], "cpu_seconds": []}
    return found


def cosines(vectors: Path, exact: Path) -> dict[str, float | None]:
    """Mean and least cosine to the exact vectors; None where there are none, or of another length."""
    if exact.exists() and vectors.exists():
        found, expected = np.load(vectors).astype(np.float64), np.load(exact).astype(np.float64)
        if found.shape == expected.shape:
            norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
            cosine = np.sum(found * expected, axis=1) / norms
            return {"cosine_mean": float(cosine.mean()), "cosine_least": float(cosine.min())}
    return {"cosine_mean": None, "cosine_least": None}


def latency(lineup: Lineup, query: Path, amounts: Amounts) -> dict[str, dict[str, Any]]:
    """Milliseconds of one query on an idle contender, with the settings that are best for it, in rounds."""
    settings: dict[str, Any] = {}
    taken: dict[str, list[float]] = {}
    say("  latency: tune")
    for contender, answer in lineup.ask_all("tune", {"texts": str(query), "count": 1, "repeats": LATENCY_REPEATS}):
        settings[contender.name], taken[contender.name] = answer["settings"], []
    count = WARM_UP_QUERIES + max(1, amounts.queries // amounts.rounds)
    asked = {"text": QUERY, "count": count, "pause_seconds": PAUSE_SECONDS}
    for turn in range(amounts.rounds):
        say(f"  latency: round {turn + 1} of {amounts.rounds}")
        for contender, answer in lineup.ask_all("latency", asked, turn):
            taken[contender.name] += answer["milliseconds"][WARM_UP_QUERIES:]
    figures = {}
    for contender in lineup.standing():
        p50, p99 = (float(np.percentile(taken[contender.name], part)) for part in (50, 99))
        longest = max(taken[contender.name])
        figures[contender.name] = {"settings": settings[contender.name], "p50": p50, "p99": p99, "longest": longest}
    return figures
