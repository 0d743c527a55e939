"""All sections of one model."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contenders import EXACT, OPENVINO, OURS, ROSTER, STATIC, Contender
from contenders.lineup import Lineup, say
from contenders.process import Place
from lib.checkpoints import MINILM, make_checkpoint
from lib.silicon import Silicon, ceiling, measure_silicon
from lib.workloads import QUERY, SCIFACT, TextCutter, Workload, mixed_lengths, short_lengths
from sections.by_length import by_count, by_length
from sections.quality import quality
from sections.scaling import scaling
from sections.start import starts
from sections.throughput import latency, throughput

if TYPE_CHECKING:
    from pathlib import Path

    from lib.checkpoints import BenchmarkModel
    from sections.amounts import Amounts

CURVE = (OURS, OPENVINO, "fastembed", EXACT)
"""The contenders whose curve over text length is drawn."""

JUDGED = (OURS, STATIC, EXACT)
"""The contenders whose quality is measured."""

DESCRIPTIONS = {"A": "about 50 tokens each (5-93)", "B": "10-510 tokens, in the order they come"}
CALIBRATION_TEXTS = 300


@dataclass(frozen=True)
class Run:
    """One run of the suite: amounts, contenders, folders."""

    amounts: Amounts
    contenders: list[Contender]
    peers: str
    work: Path
    scratch: Path
    threads: int
    texts: list[str]

    def place(self, contender: Contender, model: BenchmarkModel) -> Place:
        """The environment and folders that a contender runs with."""
        python = self.peers if contender.is_peer else sys.executable
        return Place(python, model.folder, self.work / model.name, self.scratch.parent / "logs", self.threads)

    def lineup(self, names: tuple[str, ...], model: BenchmarkModel, *, failed: dict[str, str]) -> Lineup:
        """The named contenders that take part and have not failed."""
        chosen = [each for each in self.contenders if each.name in names and each.name not in failed]
        return Lineup(chosen, lambda contender: self.place(contender, model))

    def write(self, name: str, content: list[str]) -> Path:
        """A file of texts for contenders to read."""
        file = self.scratch / f"{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        return file


def measure_model(run: Run, name: str, silicon: list[Silicon]) -> dict[str, Any]:
    """Every section of one model."""
    say(f"{name}")
    model = make_checkpoint(name, run.work)
    cutter = TextCutter(model.folder / "tokenizer.json", run.texts)
    workloads = {
        "A": cutter.cut("A", short_lengths(run.amounts.short_texts)),
        "B": cutter.cut("B", mixed_lengths(run.amounts.mixed_texts)),
    }
    files = {key: run.write(f"{name}-{key}", workload.texts) for key, workload in workloads.items()}
    calibration = run.write(f"{name}-calibration", run.texts[:CALIBRATION_TEXTS])
    everyone = tuple(contender.name for contender in run.contenders)
    with run.lineup(everyone, model, failed={}) as lineup:
        lineup.prepare(str(calibration))
        loaded = lineup.load(QUERY)
        silicon.append(measure_silicon())
        speeds = throughput(lineup, files, run.amounts, run.scratch)
        silicon.append(measure_silicon())
        latencies = latency(lineup, run.write("query", [QUERY]), run.amounts)
        for contender in lineup.contenders:
            lineup.stop(contender)
        chosen = {each: in_one_process(speeds[each]["B"]["settings"]) for each in speeds if "B" in speeds[each]}
        fresh = starts(lineup, files["B"], chosen, run.amounts.starts)
        failed = lineup.failed
    return {
        "label": model.label,
        "workloads": {key: facts(workload, model, silicon, run.threads) for key, workload in workloads.items()},
        "contenders": {
            each.name: {
                "label": each.label,
                "failed": failed.get(each.name),
                "versions": loaded.get(each.name, {}).get("versions", {}),
                "workloads": speeds[each.name],
                "latency": latencies.get(each.name),
                "start": fresh.get(each.name),
            }
            for each in run.contenders
        },
        **alone(run, model, cutter, files, failed),
    }


def in_one_process(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings without further processes, whose memory would not be seen."""
    return {**settings, "processes": 1} if "processes" in settings else settings


def alone(
    run: Run, model: BenchmarkModel, cutter: TextCutter, files: dict[str, Path], failed: dict[str, str]
) -> dict[str, Any]:
    """The sections with few contenders: workers, text length, number of texts, quality; the last three of MiniLM."""
    found: dict[str, Any] = {}
    if OURS in {each.name for each in run.contenders} - set(failed):
        found["scaling"] = scaling(run.place(ROSTER[OURS], model), files, run.amounts.rounds)
    if model.name != MINILM:
        return found
    with run.lineup(CURVE, model, failed=failed) as lineup:
        lineup.load(QUERY)
        found["lengths"] = by_length(lineup, cutter, run.amounts, run.scratch)
    with run.lineup((OURS,), model, failed=failed) as lineup:
        lineup.load(QUERY)
        found["counts"] = by_count(lineup, cutter, run.amounts, run.scratch)
    if SCIFACT.is_dir() and run.amounts.quality:
        with run.lineup(JUDGED, model, failed=failed) as lineup:
            found["quality"] = quality(lineup, SCIFACT, run.scratch)
    return found


def facts(workload: Workload, model: BenchmarkModel, silicon: list[Silicon], threads: int) -> dict[str, Any]:
    """The description of a workload, and the ceiling of this machine for it."""
    return {
        "label": DESCRIPTIONS[workload.name],
        "texts": len(workload.texts),
        "tokens": sum(workload.lengths),
        "ceiling": ceiling(workload.lengths, model.shape, median_silicon(silicon[-2:]), threads),
    }


def median_silicon(measured: list[Silicon]) -> Silicon:
    """The median of several measurements: clocks move."""
    int8 = [each.int8_rate for each in measured if each.int8_rate]
    fp32 = [each.fp32_rate for each in measured if each.fp32_rate]
    if not int8 or not fp32:
        return measured[0]
    amx = [each.amx_rate for each in measured if each.amx_rate]
    return Silicon(statistics.median(int8), statistics.median(fp32), amx_rate=statistics.median(amx) if amx else None)
