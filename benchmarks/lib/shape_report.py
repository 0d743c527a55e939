"""The results of `run/shapes.py` as Markdown tables. Reads nothing but what its JSON file holds."""

from __future__ import annotations

import statistics
from typing import Any

from contenders import OURS
from lib.tables import EMPTY, figure, rate, spread, table


def shape_report(results: dict[str, Any]) -> str:
    """The whole page."""
    facts = results["machine"]
    machine = f"{facts['cpu']}; {facts['threads']} threads for everyone; {facts['system']}; {facts['date']}."
    method = f"medians of {results['rounds']} rounds in turns, and how many times as fast this project's INT8 is."
    what = (
        "Random weights and a vocabulary of 30,522: speed alone, no quality. Texts of one length, each contender tuned"
    )
    parts = [f"{machine}\n{what}\nfor it; {method}"]
    for shape in results["shapes"].values():
        parts += [f"## {shape['label']}", speeds(shape), loads(shape), absent(shape)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def speeds(shape: dict[str, Any]) -> str:
    """Texts a second of each contender over the length of a text, with the ratio to this project's INT8."""
    points = shape["lengths"]
    rows = []
    for name, each in shape["contenders"].items():
        cells = [_cell(point, name) for point in points.values()]
        if any(cell != EMPTY for cell in cells):
            rows.append([each["label"], *cells])
    return (
        table(("texts/s (spread), ours is x times", *(f"{length} tokens" for length in points)), rows) if rows else ""
    )


def _cell(point: dict[str, Any], name: str) -> str:
    seconds, ours = point["seconds"].get(name), point["seconds"].get(OURS)
    if not seconds:
        return EMPTY
    text = f"{figure(rate(point['texts'], seconds))} ({spread(point['texts'], seconds)})"
    if name == OURS or not ours or len(ours) != len(seconds):
        return text
    ratio = statistics.median(theirs / own for theirs, own in zip(seconds, ours, strict=True))
    return f"{text}, {ratio:.2f} x"


def loads(shape: dict[str, Any]) -> str:
    """Load time and memory of each contender."""
    rows = [
        [
            each["label"],
            f"{each['load_seconds']:.2f}",
            f"{each['import_seconds']:.2f}",
            *(_mebibytes(each.get(key)) for key in ("loaded_bytes", "peak_bytes")),
        ]
        for each in shape["contenders"].values()
        if "load_seconds" in each
    ]
    head = ("", "first vector after s", "of it import s", "peak MiB when loaded", "peak MiB after all lengths")
    return table(head, rows) if rows else ""


def absent(shape: dict[str, Any]) -> str:
    """The contenders that took no part, or not in all lengths, with the reason."""
    rows = [
        [each["label"], each["failed"].replace("|", "/")] for each in shape["contenders"].values() if each["failed"]
    ]
    return table(("did not take part", "reason"), rows) if rows else ""


def _mebibytes(size: int | None) -> str:
    return EMPTY if size is None else f"{size / 2**20:.0f}"
