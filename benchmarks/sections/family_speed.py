"""Texts a second and memory of every family in one shape: INT8 here, sentence-transformers' torch and best backend."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from contenders import EXACT, OURS, ROSTER
from contenders.lineup import say
from lib.family_shapes import FAMILY_SHAPES, UnknownFamilyError, make_family_checkpoint
from lib.tables import EMPTY, figure, rate, table
from sections.shapes import measure_shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lib.large_shapes import LargeShape
    from sections.shapes import ShapeRun

BACKENDS = (EXACT, "st-onnx", "st-onnx-int8", "st-openvino")
"""sentence-transformers' ways to run a model on a CPU; the fastest is the best."""

REASON = 200
"""Most characters of a reason in the table; the file of figures has all."""

SPEED_CONTENDERS = [ROSTER[name] for name in (OURS, *BACKENDS)]
HEAD = (
    "family",
    "tokens of a text",
    "INT8, texts/s",
    "torch fp32, texts/s",
    "ours is x times",
    "best backend",
    "texts/s",
    "ours is x times",
    "peak MiB: INT8",
    "torch fp32",
    "best backend",
)


def measure_families(run: ShapeRun, names: Sequence[str], work: Path) -> dict[str, Any]:
    """Measure the families one after the other; each is deleted behind it."""
    python = run.pythons[True]

    def make(shape: LargeShape, folder: Path) -> None:
        make_family_checkpoint(shape, folder, python)

    found: dict[str, Any] = {}
    work.mkdir(parents=True, exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory(dir=work, prefix=f"{name}-") as folder:
            try:
                found[name] = measure_shape(run, FAMILY_SHAPES[name], work / folder, make)
            except UnknownFamilyError as error:
                say(f"  {name}: not made: {error}")
                found[name] = {"not_made": str(error)}
    return found


def speed_report(families: dict[str, Any]) -> str:
    """A row for each family and length, and the reasons of those that are missing."""
    rows, reasons = [], []
    for name, family in families.items():
        if "not_made" in family:
            reasons.append([name, "all", family["not_made"]])
            continue
        rows += [_row(name, length, family, point) for length, point in family["lengths"].items()]
        failed = {each["label"]: each["failed"] for each in family["contenders"].values() if each["failed"]}
        reasons += [[name, label, reason.replace("|", "/")[:REASON]] for label, reason in failed.items()]
    absent = table(("family", "did not take part", "reason"), reasons) if reasons else ""
    return f"{table(HEAD, rows)}\n{absent}"


def _row(name: str, length: str, family: dict[str, Any], point: dict[str, Any]) -> list[str]:
    """The cells of one family at one length."""
    rates = {each: rate(point["texts"], seconds) for each, seconds in point["seconds"].items()}
    best = max((each for each in BACKENDS if each in rates), key=lambda each: rates[each], default=None)
    peaks = {each: facts["peak_bytes"] for each, facts in family["contenders"].items()}
    ours, exact = rates.get(OURS), rates.get(EXACT)
    theirs = None if best is None else rates[best]
    cells = [
        figure(ours),
        figure(exact),
        _ratio(ours, exact),
        EMPTY if best is None else ROSTER[best].label.removeprefix("sentence-transformers, "),
        figure(theirs),
        _ratio(ours, theirs),
    ]
    sizes = [
        EMPTY if each is None or not peaks.get(each) else f"{peaks[each] / 2**20:.0f}" for each in (OURS, EXACT, best)
    ]
    return [name, length, *cells, *sizes]


def _ratio(ours: float | None, theirs: float | None) -> str:
    return EMPTY if ours is None or theirs is None else f"{ours / theirs:.2f}"
