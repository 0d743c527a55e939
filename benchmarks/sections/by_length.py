"""Tokens a second over the length of texts, and seconds per token over their number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contenders.lineup import Lineup, say
from lib.workloads import TextCutter, short_lengths

if TYPE_CHECKING:
    from pathlib import Path

    from sections.amounts import Amounts

LENGTHS = (8, 16, 32, 64, 128, 256, 512)


def by_length(lineup: Lineup, cutter: TextCutter, amounts: Amounts, scratch: Path) -> dict[str, Any]:
    """Seconds of each round on texts of exactly one length, tuned for that length: ``[length][contender]``."""
    figures: dict[str, Any] = {}
    for length in LENGTHS:
        count = max(4, amounts.tokens_of_length // length)
        file = scratch / f"length-{length}.json"
        file.write_text(json.dumps(cutter.cut(str(length), [length] * count).texts), encoding="utf-8")
        say(f"  {count} texts of {length} tokens")
        point: dict[str, Any] = {"tokens": count * length, "seconds": {}, "settings": {}}
        for contender, answer in lineup.ask_all("tune", {"texts": str(file), "count": count, "repeats": 1}):
            point["settings"][contender.name] = answer["settings"]
        encode_in_turns(lineup, file, amounts.rounds, point["seconds"])
        figures[str(length)] = point
    return figures


def by_count(lineup: Lineup, cutter: TextCutter, amounts: Amounts, scratch: Path) -> dict[str, Any]:
    """Seconds of each round on more and more texts like workload A: ``[count][contender]``."""
    figures: dict[str, Any] = {}
    for count in amounts.counts:
        say(f"  {count} texts")
        workload = cutter.cut(str(count), short_lengths(count, seed=1))
        file = scratch / f"count-{count}.json"
        file.write_text(json.dumps(workload.texts), encoding="utf-8")
        point: dict[str, Any] = {"tokens": sum(workload.lengths), "seconds": {}}
        encode_in_turns(lineup, file, amounts.rounds, point["seconds"])
        figures[str(count)] = point
    return figures


def encode_in_turns(lineup: Lineup, file: Path, rounds: int, seconds: dict[str, list[float]]) -> None:
    """Let all encode a file, in turns; the first round warms up and is not kept."""
    for turn in range(rounds + 1):
        for contender, answer in lineup.ask_all("encode", {"texts": str(file)}, turn):
            if turn:
                seconds.setdefault(contender.name, []).append(answer["seconds"])
