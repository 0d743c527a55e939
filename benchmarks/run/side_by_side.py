"""Measure this project beside its peers: throughput, latency, start, memory, scaling and quality.

Run:  make bench      (or .venv/bin/python benchmarks/run/side_by_side.py --quick for a look)

Writes report.md, results.json and pictures. benchmarks/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _path  # noqa: F401 - puts benchmarks/ on the path
from contenders import ROSTER
from contenders.lineup import say
from embed_plugin.cpu.count import available_workers
from lib.checkpoints import BGE, MINILM
from lib.pictures import draw
from lib.report import report
from lib.silicon import cpu_name
from lib.stream_memory import watch
from lib.workloads import RESULTS, ROOT, source_texts
from sections.amounts import QUICK, Amounts
from sections.one_model import Run, measure_model, median_silicon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lib.silicon import Silicon


def measure(run: Run, models: list[str], results: dict[str, Any]) -> None:
    """Measure everything, and put it into the results as it comes."""
    silicon: list[Silicon] = []
    for name in models:
        results["models"][name] = measure_model(run, name, silicon)
        overall = median_silicon(silicon)
        results["silicon"] = {
            "int8_rate": overall.int8_rate,
            "fp32_rate": overall.fp32_rate,
            "amx_rate": overall.amx_rate,
            "reason": overall.reason,
            "int8_rates": [each.int8_rate for each in silicon],
        }
        results["versions"] = versions_of(results["models"])
    folder = run.work / models[0] / "embed-plugin-int8"
    if folder.is_dir():
        say("memory of a stream")
        results["memory"] = watch(folder, run.amounts.memory_texts)


def nothing_yet(run: Run, origin: str) -> dict[str, Any]:
    """Results before anything is measured: machine, texts and amounts."""
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
    parser.add_argument("--out", type=Path, default=RESULTS)
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
    # Contenders that wait are stopped, and would stay so for ever: a terminated run ends them, and writes what it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
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
