"""Compare what INT8 is calibrated on: the built-in texts, a user's own texts, or both; on texts of all kinds.

Run:  .venv/bin/python benchmarks/run/calibration_texts.py [--shared ../shared/data]

A user's texts are functions of the standard library, SciFact's abstracts and STS-B's sentences, each for itself: 256 of
them, of which 64 are calibrated on. Every way is compared with fp32 on the same texts: those 64, the 192 that are held
out, and the built-in texts that are held out. If the quantisation fitted the texts that it was calibrated on, the first
row would be better than the second.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.evaluate import read_retrieval_dataset, read_sentence_pairs
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.int8.texts import MOST_READ, YOURS, CalibrationTexts, read_calibration_texts
from lib.checkpoints import SOURCE
from lib.tables import table
from lib.text_pools import standard_library_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
READ = "embed_plugin.export.run.read_calibration_texts"


def own_texts(shared: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield a user's texts by name, in a seeded order."""
    found = {"functions": standard_library_functions(), **_shared_texts(shared)}
    for name, texts in found.items():
        yield name, random.Random(3).sample(texts, MOST_READ)  # noqa: S311 - a seeded order, no secret


def _shared_texts(shared: Path) -> dict[str, list[str]]:
    """SciFact's abstracts and STS-B's sentences; without them, none."""
    if not shared.is_dir():
        say(f"skipped abstracts, sentences: {shared} is not there (BEIR's SciFact, STS-B)")
        return {}
    abstracts = [document.text for document in read_retrieval_dataset(shared / "scifact").documents()]
    pairs = read_sentence_pairs(shared / "stsb" / "sts-test.csv")
    return {"abstracts": abstracts, "sentences": list(dict.fromkeys(pair.first for pair in pairs))}


def say(line: str) -> None:
    """Write a line about the progress."""
    print(line, file=sys.stderr, flush=True)


def ways(path: Path) -> dict[str, CalibrationTexts]:
    """The ways to calibrate with a user's texts, all compared on the same ones."""
    both, built_in = read_calibration_texts(path), read_calibration_texts(None)
    yours = both.calibration[YOURS]
    compared = {"yours, calibrated on": yours, "yours, held out": both.held_out[YOURS], **built_in.held_out}
    calibrated = {"built-in": built_in.calibration, "yours": {YOURS: yours}, "both (default)": both.calibration}
    return {name: CalibrationTexts(path.name, texts, compared) for name, texts in calibrated.items()}


def compare(texts: CalibrationTexts, out: Path) -> list[tuple[str, str]]:
    """Export once and return each kind's name and cell."""
    with patch(READ, lambda _: texts):  # an export takes a path alone, and reads the built-in texts beside it
        spec = export(SOURCE, out, ExportSettings(overwrite=True))
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)  # noqa: S101 - for the type checker
    cell = "{mean_cosine:.4f} / {quantile_1:.4f} / {least_cosine:.4f}"
    return [(each["kind"], cell.format(**each)) for each in comparison["kinds"]]


def main() -> None:
    """Export each way, print a Markdown table for each user's texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="a folder with scifact/ and stsb/")
    shared = parser.parse_args().shared
    with tempfile.TemporaryDirectory() as work:
        for name, texts in own_texts(shared):
            path = Path(work, f"{name}.jsonl")
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
            columns = {}
            for way, split in ways(path).items():
                say(f"{name}: {way}")
                columns[way] = compare(split, Path(work, "model"))
            kinds = [kind for kind, _ in columns["yours"]]
            cells = zip(*([cell for _, cell in column] for column in columns.values()), strict=True)
            print(table((name, *columns), [[kind, *row] for kind, row in zip(kinds, cells, strict=True)]))


if __name__ == "__main__":
    main()
