"""Compare ways to compute all-MiniLM-L6-v2 in INT8, on a forward pass in numpy, before a kernel is written.

Run:  OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/run/int8_ways.py --scifact BEIR_FOLDER --stsb sts-test.csv

Every row is one way; its cells are the mean, the 1 % quantile and the least cosine to fp32 of each kind of text. The
texts that rounding is calibrated on are of the same kinds, and none of them is measured on.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export.checkpoint.source import resolve
from lib.bert_numpy import EXACT, Bert
from lib.checkpoints import SOURCE
from lib.int8_texts import read_kinds
from lib.int8_ways import DEFAULT, HEADS, LAYERS, Kitchen, calibrated_on, kitchens, measure, recipes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lib.int8_ways import Recipe

Texts = dict[str, list[list[int]]]

MAX_TOKENS = 256


def read_texts(folder: Path, scifact: Path, stsb: Path, part: float) -> tuple[Texts, Texts]:
    """Token ids of the texts to measure on and to calibrate on, by kind."""
    tokenizer = TextTokenizer(folder / "tokenizer.json", max_tokens=MAX_TOKENS)
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    measured: Texts = {}
    calibrated: Texts = {}
    for kind, (first, second) in read_kinds(scifact, stsb, list(vocabulary)).items():
        for texts, into in ((first, measured), (second, calibrated)):
            few = texts[: max(1, round(part * len(texts)))]
            into[kind] = [list(ids) for ids in tokenizer.tokenise(few, prefix="", first_index=0).ids]
    return measured, calibrated


class Measured:
    """Texts of each kind, and their exact vectors."""

    def __init__(self, bert: Bert, texts: Texts) -> None:
        self.texts = texts
        self.exact = {kind: bert.encode(ids, EXACT).astype(np.float64) for kind, ids in texts.items()}

    def cells(self, kitchen: Kitchen, recipe: Recipe) -> str:
        """Mean, 1 % quantile and least cosine to fp32 of each kind."""
        way, found = kitchen.way(recipe), []
        for kind, ids in self.texts.items():
            cosines = np.sum(kitchen.bert.encode(ids, way) * self.exact[kind], axis=1)
            found.append(f"{cosines.mean():.5f} {np.quantile(cosines, 0.01):.4f} {cosines.min():.4f}")
        return " | ".join(found)


def rows(bert: Bert, texts: Texts, calibrated: Texts) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the name of each row, and what makes its cells."""
    kitchen = Kitchen(bert, measure(bert, [ids for each in calibrated.values() for ids in each]))
    measured = Measured(bert, texts)
    for name, recipe in recipes():
        yield name, partial(measured.cells, kitchen, recipe)
    yield "the first row, on the texts it is calibrated on", lambda: Measured(bert, calibrated).cells(kitchen, DEFAULT)
    for name, changed in kitchens(kitchen):
        yield name, partial(measured.cells, changed, DEFAULT)
    for kind, alone in calibrated.items():
        yield f"GPTQ on {kind} alone", partial(_calibrated_alone, kitchen, alone, measured)


def _calibrated_alone(kitchen: Kitchen, texts: list[list[int]], measured: Measured) -> str:
    return measured.cells(calibrated_on(kitchen, measure(kitchen.bert, texts)), DEFAULT)


def main() -> None:
    """Measure every way, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scifact", type=Path, required=True)
    parser.add_argument("--stsb", type=Path, required=True)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--part", type=float, default=1.0, help="part of the texts of each kind")
    arguments = parser.parse_args()
    folder = resolve(SOURCE).folder
    measured, calibrated = read_texts(folder, arguments.scifact, arguments.stsb, arguments.part)
    bert = Bert(folder / "model.safetensors", layers=LAYERS, heads=HEADS)
    texts = ", ".join(f"{len(ids)} {kind}" for kind, ids in measured.items())
    print(f"{texts}; {datetime.now(UTC):%Y-%m-%d}\n")
    print(f"| | {' | '.join(measured)} |\n|---|{'---|' * len(measured)}")
    for name, make in rows(bert, measured, calibrated):
        if arguments.only in name:
            print(f"| {name} | {make()} |", flush=True)


if __name__ == "__main__":
    main()
