"""Measure rerankers: 100 abstracts for a query, and the latency of 20 candidates, beside other libraries.

Run:  .venv/bin/python benchmarks/run/rerank.py [--quick] [--contenders own-int8,st-torch]

All have equal weights, random ones of ms-marco-MiniLM-L6's shape, so there is a speed and no quality: the agreement of
scores shows that the same work is done. Each contender has a process of its own, which is stopped while it is not its
turn; the peers' batch sizes are tuned first.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from contenders import Contender
from contenders.lineup import Lineup, say
from contenders.process import Place
from embed_plugin.cpu.count import available_workers
from lib.reranker_checkpoint import SHAPE, make_reranker
from lib.tables import figure, table
from lib.workloads import QUERY, ROOT, source_texts

EXACT = "st-torch"
_EVERY = (
    Contender("own-int8", "embed-plugin INT8", "own_reranker", "int8", is_peer=False),
    Contender("own-fp32", "embed-plugin fp32", "own_reranker", "fp32", is_peer=False),
    Contender(EXACT, "CrossEncoder, torch fp32", "cross_encoder", "fp32"),
    Contender("st-onnx", "CrossEncoder, ONNX fp32", "cross_encoder", "onnx"),
    Contender("st-onnx-int8", "CrossEncoder, ONNX INT8 (dynamic)", "cross_encoder", "onnx-int8"),
    Contender("st-openvino", "CrossEncoder, OpenVINO fp32", "cross_encoder", "openvino"),
    Contender("fastembed", "fastembed, ONNX fp32", "fastembed_reranker", "onnx"),
    Contender("fastembed-int8", "fastembed, ONNX INT8 (dynamic)", "fastembed_reranker", "onnx-int8"),
)
CONTENDERS = {contender.name: contender for contender in _EVERY}


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    abstracts: int = 100
    candidates: int = 20
    rounds: int = 7
    latencies: int = 100


QUICK = Amounts(abstracts=8, candidates=4, rounds=2, latencies=5)


def measure(lineup: Lineup, scratch: Path, amounts: Amounts) -> dict[str, dict[str, list[float]]]:
    """Seconds of each round and of each short rerank, by contender; all in turns."""
    _, texts = source_texts()
    long, short = scratch / "abstracts.json", scratch / "candidates.json"
    long.write_text(json.dumps([QUERY, *texts[: amounts.abstracts]]), encoding="utf-8")
    short.write_text(json.dumps([QUERY, *texts[-amounts.candidates :]]), encoding="utf-8")
    if amounts != QUICK:
        # One more than the abstracts: the first text is the query.
        tuning = {"texts": str(long), "count": amounts.abstracts + 1, "repeats": 1}
        for contender, found in lineup.ask_all("tune", tuning):
            say(f"  {contender.name}: {found['settings'] or 'nothing to tune'}")
    seconds: dict[str, dict[str, list[float]]] = {name: {"rounds": [], "short": []} for name in CONTENDERS}
    for turn in range(amounts.rounds):
        for contender in lineup.standing(turn):
            saved = {"texts": str(long), "save": str(scratch / f"{contender.name}.npy")}
            answer = lineup.ask(contender, "encode", saved)
            if answer:
                seconds[contender.name]["rounds"].append(answer["seconds"])
                say(f"  round {turn + 1}: {contender.name} {answer['seconds']:.2f} s")
    for turn in range(amounts.latencies):
        for contender, found in lineup.ask_all("encode", {"texts": str(short)}, turn):
            seconds[contender.name]["short"].append(found["seconds"])
    return seconds


def report(
    lineup: Lineup, seconds: dict[str, dict[str, list[float]]], scratch: Path, amounts: Amounts
) -> tuple[str, dict[str, object]]:
    """The table, and its figures by contender."""
    rows = []
    figures: dict[str, object] = {}
    for contender in lineup.standing():
        rounds, short = (seconds[contender.name][part] for part in ("rounds", "short"))
        p50, p99 = (1000 * float(np.percentile(short, at)) for at in (50, 99))
        agreed = _correlation(scratch / f"{contender.name}.npy", scratch / f"{EXACT}.npy")
        rate = amounts.abstracts / statistics.median(rounds)
        slowest, fastest = (amounts.abstracts / at(rounds) for at in (max, min))
        cells = (figure(rate), f"{figure(slowest)}-{figure(fastest)}", f"{p50:.1f}, {p99:.1f}", figure(agreed, 5))
        rows.append((contender.label, *cells))
        figures[contender.name] = {"texts_per_second": rate, "p50_ms": p50, "p99_ms": p99, "correlation": agreed}
    last = f"{amounts.candidates} candidates, p50, p99 ms"
    text = table(("reranker", "texts/s", "slowest-fastest", last, "correlation with torch"), rows)
    failed = [f"\n{CONTENDERS[name].label}: failed: {reason}" for name, reason in lineup.failed.items()]
    return text + "".join(failed), figures


def _correlation(scores: Path, exact: Path) -> float | None:
    """Pearson's, so that the activation of one side does not matter where it is the identity; None without torch."""
    return float(np.corrcoef(np.load(scores), np.load(exact))[0, 1]) if scores.exists() and exact.exists() else None


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure rerankers beside each other.")
    parser.add_argument(
        "--quick", action="store_true", help="two layers, a few texts, nothing tuned: to see that it runs"
    )
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="names, with commas between")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    parser.add_argument("--threads", type=int, default=available_workers())
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    options.contenders = options.contenders.split(",")
    if unknown := sorted(set(options.contenders) - CONTENDERS.keys()):
        parser.error(f"no contender {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    return options


def main() -> None:
    """Prepare, measure, print a Markdown table."""
    options = parse()
    # Contenders that wait are stopped, and would stay so for ever: a terminated run ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    amounts = QUICK if options.quick else Amounts()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        make_reranker(scratch / "checkpoint", replace(SHAPE, layers=2) if options.quick else SHAPE)

        def place_of(contender: Contender) -> Place:
            python = options.peers if contender.is_peer else sys.executable
            return Place(python, scratch / "checkpoint", scratch, scratch, options.threads, ROOT / "src")

        with Lineup([CONTENDERS[name] for name in options.contenders], place_of) as lineup:
            texts = scratch / "none.json"
            texts.write_text("[]", encoding="utf-8")
            lineup.prepare(str(texts))
            lineup.load(QUERY)
            text, figures = report(lineup, measure(lineup, scratch, amounts), scratch, amounts)
    print(f"{amounts.abstracts} {source_texts()[0]}, {options.threads} threads, {platform.machine()},")
    print(f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n\n{text}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
