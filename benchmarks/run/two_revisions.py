"""Compare the speed of two revisions of this project, in turns on the same texts.

Run:  .venv/bin/python benchmarks/run/two_revisions.py main              # against the files as they are now
      .venv/bin/python benchmarks/run/two_revisions.py v0.1.0 main

Each revision exports all-MiniLM-L6-v2 with its own code, and encodes in a process of its own, with the packages of the
environment that runs this script. Exits with 1 if the second is clearly slower on a workload or a query.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from contenders import OURS, ROSTER
from contenders.process import ContenderProcess, Place
from embed_plugin.cpu.count import available_workers
from lib.checkpoints import MINILM, make_checkpoint
from lib.comparison import compare
from lib.tables import rate, table
from lib.workloads import QUERY, ROOT, TextCutter, mixed_lengths, short_lengths, source_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUERIES_OF_A_ROUND = 40
WORKING_TREE = "working tree"


@contextmanager
def checked_out(revision: str, work: Path) -> Iterator[Path]:
    """The revision's files in a folder; the working tree is where it is."""
    if revision == WORKING_TREE:
        yield ROOT
        return
    folder = work / "tree"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), revision], check=True)  # noqa: S603 - git, no shell
    try:
        build_kernels(folder)
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)  # noqa: S603


def build_kernels(tree: Path) -> None:
    """Compile the revision's kernels, if it has any: what is compared is what an installation of it runs."""
    build = "from hatch_build import *; print(compile_library(SOURCES, LIBRARY))"
    if (tree / "hatch_build.py").is_file():
        done = subprocess.run([sys.executable, "-c", build], cwd=tree, check=False, capture_output=True, text=True)  # noqa: S603
        if problem := (done.stderr or done.stdout).strip():
            print(f"the kernels of {tree.name} were not built: {problem}", file=sys.stderr)


def prepare(tree: Path, place: Place, texts: Path) -> Place:
    """Export with a revision's code; the place where that code encodes."""
    place = replace(place, source=tree / "src")
    place.work.mkdir(parents=True)
    place.logs.mkdir()
    with ContenderProcess(ROSTER[OURS], place) as process:
        process.ask("prepare", {"texts": str(texts)})
    return place


def measure(places: Sequence[Place], files: dict[str, Path], rounds: int, starts: int) -> dict[str, list[list[float]]]:
    """Seconds of each round of both: ``[workload or "query"][place]``.

    The processes are started anew several times, for where a process's memory happens to lie makes a difference of its
    own. The first round of each start warms up and is not kept.
    """
    seconds: dict[str, list[list[float]]] = {name: [[], []] for name in (*files, "query")}
    for begun in range(starts):
        with ExitStack() as stack:
            processes = [stack.enter_context(ContenderProcess(ROSTER[OURS], place)) for place in places]
            for process in processes:
                process.ask("load", {"text": QUERY})
            for turn in range(ceil(rounds / starts) + 1):
                _round(processes, files, turn, seconds)
        print(f"start {begun + 1} of {starts} done", file=sys.stderr)
    return seconds


def _round(
    processes: Sequence[ContenderProcess], files: dict[str, Path], turn: int, seconds: dict[str, list[list[float]]]
) -> None:
    for name, taken in seconds.items():
        for which in (0, 1) if turn % 2 else (1, 0):
            spent = ask(processes[which], name, files)
            if turn:
                taken[which].append(spent)


def ask(process: ContenderProcess, name: str, files: dict[str, Path]) -> float:
    """Seconds of a workload, or the median of some queries."""
    if name in files:
        return float(process.ask("encode", {"texts": str(files[name])})["seconds"])
    asked = {"text": QUERY, "count": QUERIES_OF_A_ROUND, "pause_seconds": 0.002}
    return float(np.median(process.ask("latency", asked)["milliseconds"])) / 1000


def report(revisions: Sequence[str], seconds: dict[str, list[list[float]]], texts: dict[str, int]) -> str:
    """A Markdown table."""
    rows = []
    for name, (first, second) in seconds.items():
        found = compare(first, second)
        if name in texts:
            speeds = [f"{rate(texts[name], each):.0f} texts/s" for each in (first, second)]
        else:
            speeds = [f"{1000 * np.median(each):.2f} ms" for each in (first, second)]
        interval, ends = f"{found.low:.3f}-{found.high:.3f}", f"{found.least:.3f}-{found.most:.3f}"
        rows.append([name, *speeds, f"{found.ratio:.3f}", interval, ends])
    return table(
        (
            "",
            *(revision[:12] for revision in revisions),
            "time, second over first",
            "95 % interval",
            "least and most round",
        ),
        rows,
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a revision: a branch, tag or commit")
    parser.add_argument("second", nargs="?", default=WORKING_TREE, help="another; without it the files as they are")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--starts", type=int, default=5, help="times that the processes are started anew")
    parser.add_argument("--texts", type=int, default=400, help="of workload A; a third of that of workload B")
    parser.add_argument("--slower", type=float, default=1.05, help="exit with 1 above this ratio of times")
    return parser.parse_args()


def main() -> int:
    """Check out, export, measure, print; returns 1 if the second is clearly slower, else 0."""
    options = parse()
    revisions = (options.first, options.second)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        model = make_checkpoint(MINILM, work)
        cutter = TextCutter(model.folder / "tokenizer.json", source_texts()[1])
        workloads = [
            cutter.cut("A", short_lengths(options.texts)),
            cutter.cut("B", mixed_lengths(max(1, options.texts // 3))),
        ]
        files = {workload.name: work / f"{workload.name}.json" for workload in workloads}
        for workload in workloads:
            files[workload.name].write_text(json.dumps(workload.texts), encoding="utf-8")
        places = []
        for which, revision in enumerate(revisions):
            own = work / str(which)
            own.mkdir()
            place = Place(sys.executable, model.folder, own / "models", own / "logs", available_workers())
            tree = stack.enter_context(checked_out(revision, own))
            places.append(prepare(tree, place, files["A"]))
        seconds = measure(places, files, options.rounds, options.starts)
    print(report(revisions, seconds, {workload.name: len(workload.texts) for workload in workloads}))
    return int(any(compare(*each).is_slower_than(options.slower) for each in seconds.values()))


if __name__ == "__main__":
    sys.exit(main())
