"""Texts of one length through models of a larger shape: all contenders in turns, load and memory of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contenders import OPENVINO, OURS, ROSTER
from contenders.lineup import Lineup, say
from contenders.process import Place
from lib.large_shapes import make_large_checkpoint
from lib.workloads import QUERY, TextCutter
from sections.by_length import encode_in_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from contenders import Contender
    from lib.large_shapes import LargeShape

OURS_FP32 = "embed-plugin-fp32"
SHAPED = {
    OURS: ROSTER[OURS],
    OURS_FP32: ROSTER[OURS_FP32],
    # Texts of one length need no padding, and a large graph takes minutes to quantise: one graph, not two.
    OPENVINO: replace(ROSTER[OPENVINO], variant="int8-equal"),
    "llama-cpp-q8": ROSTER["llama-cpp-q8"],
    "llama-cpp-q4": ROSTER["llama-cpp-q4"],
}
"""The contenders, by name."""

NOT_NATIVE = "not written natively: no architecture of this project's exporter has this model_type"
CALIBRATION_TEXTS = 32
FEWEST_TEXTS = 2
"""Fewest texts of a length: one for each core of a small machine."""


@dataclass(frozen=True)
class ShapeRun:
    """One run: contenders, lengths, amounts, folders.

    Attributes:
        contenders: The contenders that take part.
        pythons: The interpreter of this project's environment, and of the peers'.
        texts: Running text that texts are cut from.
        lengths: Tokens of a text.
        tokens: Tokens in all of each length.
        rounds: Times that everyone encodes the texts of a length.
        threads: Threads that everyone may compute with.
        logs: A folder for what the processes print.
    """

    contenders: Sequence[Contender]
    pythons: tuple[str, str]
    texts: list[str]
    lengths: Sequence[int]
    tokens: int
    rounds: int
    threads: int
    logs: Path


def measure_shape(
    run: ShapeRun,
    shape: LargeShape,
    work: Path,
    make: Callable[[LargeShape, Path], None] = make_large_checkpoint,
) -> dict[str, Any]:
    """Measure one shape.

    Args:
        run: Contenders, lengths and amounts.
        shape: The shape.
        work: Is filled with its checkpoint and models, and may be deleted afterwards.
        make: Writes the checkpoint into a folder.
    """
    say(shape.name)
    checkpoint = work / "checkpoint"
    make(shape, checkpoint)
    cutter = TextCutter(checkpoint / "tokenizer.json", run.texts)
    calibration = work / "calibration.json"
    calibration.write_text(json.dumps(run.texts[:CALIBRATION_TEXTS]), encoding="utf-8")

    def place_of(contender: Contender) -> Place:
        return Place(run.pythons[contender.is_peer], checkpoint, work, run.logs, run.threads)

    lengths = [length for length in run.lengths if length <= shape.max_tokens]
    with Lineup(run.contenders, place_of) as lineup:
        if not shape.is_native:
            lineup.failed |= {each.name: NOT_NATIVE for each in run.contenders if not each.is_peer}
        lineup.prepare(str(calibration))
        loaded = _load(lineup)
        found = {str(length): _measure_length(lineup, cutter, run, work, length) for length in lengths}
        peaks = {each.name: answer["peak_bytes"] for each, answer in lineup.ask_all("memory", {})}
        failed = lineup.failed
    return {
        "label": shape.label,
        "lengths": found,
        "contenders": {
            each.name: {
                "label": each.label,
                "failed": failed.get(each.name),
                **loaded.get(each.name, {}),
                "peak_bytes": peaks.get(each.name),
            }
            for each in run.contenders
        },
    }


def _load(lineup: Lineup) -> dict[str, dict[str, Any]]:
    """Seconds from the start of the import to the first vector, and peak memory then, of a fresh process of each."""
    answers = lineup.load(QUERY)
    sizes = {each.name: answer["peak_bytes"] for each, answer in lineup.ask_all("memory", {})}
    return {
        name: {
            "load_seconds": answer["seconds"],
            "import_seconds": answer["import_seconds"],
            "loaded_bytes": sizes.get(name),
            "versions": answer["versions"],
        }
        for name, answer in answers.items()
    }


def _measure_length(lineup: Lineup, cutter: TextCutter, run: ShapeRun, work: Path, length: int) -> dict[str, Any]:
    """Seconds of each round on texts of one length, each contender tuned for it."""
    count = max(FEWEST_TEXTS, run.tokens // length)
    file = work / f"length-{length}.json"
    file.write_text(json.dumps(cutter.cut(str(length), [length] * count).texts), encoding="utf-8")
    say(f"  {count} texts of {length} tokens")
    point: dict[str, Any] = {"texts": count, "seconds": {}, "settings": {}}
    for contender, answer in lineup.ask_all("tune", {"texts": str(file), "count": count, "repeats": 1}):
        point["settings"][contender.name] = answer["settings"]
    encode_in_turns(lineup, file, run.rounds, point["seconds"])
    return point
