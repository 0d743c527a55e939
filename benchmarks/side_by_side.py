"""Everything beside everyone: throughput, latency, start, memory, scaling, quality of this project and its peers.

Run:  make bench      (or .venv/bin/python benchmarks/side_by_side.py --quick for a look)

Writes report.md, results.json and pictures. README.md in this folder says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints import BGE, MINILM, make_checkpoint
from contenders import EXACT, OPENVINO, OURS, ROSTER, STATIC, Contender
from contenders.lineup import Lineup, say
from contenders.process import Place
from embed_plugin.encode.workers import available_workers
from memory_over_time import watch
from pictures import draw
from sections.amounts import QUICK, Amounts
from sections.by_length import by_count, by_length
from sections.quality import quality
from sections.scaling import scaling
from sections.start import starts
from sections.throughput import latency, throughput
from silicon import Silicon, ceiling, cpu_name, measure_silicon
from tables import report
from workloads import QUERY, ROOT, SCIFACT, TextCutter, Workload, mixed_lengths, short_lengths, source_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoints import BenchmarkModel

CURVE = (OURS, OPENVINO, "fastembed", EXACT)
"""Whose curve over text length is drawn."""

JUDGED = (OURS, STATIC, EXACT)
"""Whose quality is measured."""

DESCRIPTIONS = {"A": "about 50 tokens each (5-93)", "B": "10-510 tokens, in the order they come"}
CALIBRATION_TEXTS = 300


@dataclass(frozen=True)
class Run:
    """One run of the suite: how much, of whom, where."""

    amounts: Amounts
    contenders: list[Contender]
    peers: str
    work: Path
    scratch: Path
    threads: int
    texts: list[str]

    def place(self, contender: Contender, model: BenchmarkModel) -> Place:
        """Where a contender runs."""
        python = self.peers if contender.is_peer else sys.executable
        return Place(python, model.folder, self.work / model.name, self.scratch.parent / "logs", self.threads)

    def lineup(self, names: tuple[str, ...], model: BenchmarkModel, *, failed: dict[str, str]) -> Lineup:
        """Those of the names that take part and have not failed."""
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
    """The sections in which few take part: workers, text length, number of texts, quality; the last three of MiniLM."""
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
    """What a workload is, and the ceiling of this machine for it."""
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
    return Silicon(statistics.median(int8), statistics.median(fp32))


def measure(run: Run, models: list[str], results: dict[str, Any]) -> None:
    """Measure everything, and put it into the results as it comes."""
    silicon: list[Silicon] = []
    for name in models:
        results["models"][name] = measure_model(run, name, silicon)
        overall = median_silicon(silicon)
        results["silicon"] = {
            "int8_rate": overall.int8_rate,
            "fp32_rate": overall.fp32_rate,
            "reason": overall.reason,
            "int8_rates": [each.int8_rate for each in silicon],
        }
        results["versions"] = versions_of(results["models"])
    folder = run.work / models[0] / "embed-plugin-int8"
    if folder.is_dir():
        say("memory of a stream")
        results["memory"] = watch(folder, run.amounts.memory_texts)


def nothing_yet(run: Run, origin: str) -> dict[str, Any]:
    """Results before anything is measured: the circumstances."""
    return {
        "machine": {
            "cpu": cpu_name(),
            "threads": run.threads,
            "system": f"Linux {platform.release()}, Python {platform.python_version()}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        },
        "silicon": {"int8_rate": None, "fp32_rate": None, "reason": "not measured", "int8_rates": []},
        "texts": origin,
        "rounds": run.amounts.rounds,
        "models": {},
        "memory": None,
        "versions": {},
    }


def versions_of(models: dict[str, Any]) -> dict[str, str]:
    """Each contender's packages, in words."""
    found: dict[str, str] = {}
    for model in models.values():
        for each in model["contenders"].values():
            if each["versions"]:
                found[each["label"]] = ", ".join(f"{package} {number}" for package, number in each["versions"].items())
    return found


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """A folder for texts and vectors, gone afterwards; the logs beside it stay."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "logs", ignore_errors=True)
    (out / "logs").mkdir()
    with tempfile.TemporaryDirectory(dir=out, prefix="scratch-") as folder:
        yield Path(folder)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few texts and rounds: a look, no figures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--contenders", default=",".join(ROSTER), help=f"some of {', '.join(ROSTER)}")
    parser.add_argument("--models", default=f"{MINILM},{BGE}", help=f"some of {MINILM}, {BGE}")
    parser.add_argument("--rounds", type=int, help="times that everyone encodes each workload")
    parser.add_argument("--memory-texts", type=int, help="texts of the stream whose memory is watched")
    parser.add_argument("--no-quality", action="store_true", help="leave SciFact's nDCG@10 out")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    parser.add_argument("--work", type=Path, default=ROOT / "models" / "benchmarks", help="where exports are kept")
    options = parser.parse_args()
    for given, known in ((options.contenders, set(ROSTER)), (options.models, {MINILM, BGE})):
        if unknown := set(given.split(",")) - known:
            parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(sorted(known))}")
    return options


def main() -> None:
    """Measure, write, draw."""
    options = parse()
    amounts = QUICK if options.quick else Amounts()
    if options.rounds:
        amounts = replace(amounts, rounds=options.rounds)
    if options.memory_texts:
        amounts = replace(amounts, memory_texts=options.memory_texts)
    amounts = replace(amounts, quality=amounts.quality and not options.no_quality)
    origin, texts = source_texts()
    contenders = [ROSTER[name] for name in options.contenders.split(",")]
    with scratch_folder(options.out) as scratch:
        run = Run(amounts, contenders, options.peers, options.work, scratch, available_workers(), texts)
        results = nothing_yet(run, origin)
        try:
            measure(run, options.models.split(","), results)
        finally:  # what was measured before a failure is not lost
            (options.out / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
            (options.out / "report.md").write_text(report(results), encoding="utf-8")
            draw(results, options.out)
    print(report(results))


if __name__ == "__main__":
    main()
