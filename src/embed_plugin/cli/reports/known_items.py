"""The result of ``evaluate --from`` as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from embed_plugin.cli.printable import count_of, printable
from embed_plugin.cli.reports.evaluate import cells_of_difference, differences_as_json, shown_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin import Encoder
    from embed_plugin.evaluate import Difference, Interval
    from embed_plugin.evaluate.known_items import KnownItemResult, QuestionSet
    from embed_plugin.ingest import Fusion, QdrantSink

_SHOWN = {"mrr@10": "MRR@10", "success@1": "success@1", "success@10": "success@10"}
_EXAMPLES = 3
"""Questions of each kind in the JSON, to show what was asked."""


@dataclass(frozen=True)
class Side:
    """One way to search: a model, the collection with its vectors, and whether other rankings count too.

    Attributes:
        encoder: The embedding model.
        sink: The collection.
        hybrid: Whether its other rankings are fused with the dense one.
        weights: Of the rankings; all 1 if None.
    """

    encoder: Encoder
    sink: QdrantSink
    hybrid: bool
    weights: Sequence[float] | None = None

    @property
    def fusion(self) -> bool | Fusion:
        """How a search of this side fuses rankings."""
        from embed_plugin.ingest import Fusion  # noqa: PLC0415 - needs the extra

        return Fusion(self.weights) if self.hybrid and self.weights is not None else self.hybrid

    @property
    def name(self) -> str:
        """The collection and the kind of search."""
        return f"{self.sink.collection}, {'hybrid' if self.hybrid else 'dense'}"


@dataclass(frozen=True)
class Answers:
    """The questions and what each side answered; the baseline's side is the first, if there is one."""

    asked: QuestionSet
    sides: Sequence[Side]
    results: Sequence[KnownItemResult]


def known_item_facts(answers: Answers, differences: Sequence[Difference]) -> dict[str, object]:
    """Return the result for JSON: metrics from 0 to 1, drops in per cent of the baseline."""
    asked = answers.asked
    sides = [_side_facts(*side) for side in zip(answers.sides, answers.results, strict=True)]
    return {
        "questions": len(asked.questions),
        "records": asked.records,
        "texts": asked.texts,
        "left_out": {"repeated": asked.repeated, "not_in_both": asked.not_in_both},
        "model": sides[-1],
        "baseline": sides[0] if differences else None,
        "differences": differences_as_json(differences),
        "examples": _examples(answers.results[-1]),
    }


def _side_facts(side: Side, result: KnownItemResult) -> dict[str, object]:
    return {
        "folder": str(side.encoder.folder),
        "fingerprint": side.encoder.fingerprint,
        "collection": side.sink.collection,
        "hybrid": side.hybrid,
        **({"weights": list(side.weights)} if side.hybrid and side.weights is not None else {}),
        **_measured(result),
        "kinds": [{"kind": kind, **_measured(result.of_kind(kind))} for kind in result.kinds],
    }


def _measured(result: KnownItemResult) -> dict[str, object]:
    intervals = {metric: asdict(interval) for metric, interval in result.intervals().items()}
    return {"questions": len(result.questions), "metrics": dict(result.means()), "interval": intervals}


def _examples(result: KnownItemResult) -> Mapping[str, Sequence[str]]:
    return {kind: [each.text for each in result.of_kind(kind).questions[:_EXAMPLES]] for kind in result.kinds}


def print_known_items(answers: Answers, differences: Sequence[Difference]) -> None:
    """Print all questions' metrics with intervals, MRR@10 by kind, and what was left out."""
    for name, side in zip(("baseline", "model") if differences else ("model",), answers.sides, strict=True):
        typer.echo(printable(f"{name}: {side.name} search, {side.encoder.folder.name}"))
    typer.echo("")
    for row in _compared_rows(answers.results, differences) if differences else _rows(answers.results[-1]):
        typer.echo(_line(row))
    typer.echo("")
    asked = answers.asked
    counted = f"{count_of(len(asked.questions), 'question')}, each of a record of {asked.records:,}"
    reasons = {"in another record too": asked.repeated, "not in both collections": asked.not_in_both}
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
    typer.echo(counted + (f"; left out: {left_out}" if left_out else ""))
    for kind, texts in _examples(answers.results[-1]).items():
        typer.echo(printable(f"{kind + ':':<10}{texts[0]}"))


def _rows(result: KnownItemResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "questions", "value", "95 % interval")]
    intervals = result.intervals()
    rows += [_measured_row(_SHOWN[name], result, value, intervals[name]) for name, value in result.means().items()]
    for kind in result.kinds:
        part = result.of_kind(kind)
        rows.append(_measured_row(f"MRR@10, {kind}", part, part.means()["mrr@10"], part.intervals()["mrr@10"]))
    return rows


def _measured_row(name: str, result: KnownItemResult, value: float, interval: Interval) -> tuple[str, ...]:
    return (name, f"{len(result.questions):,}", f"{100 * value:.2f}", shown_interval(interval))


def _compared_rows(results: Sequence[KnownItemResult], differences: Sequence[Difference]) -> list[tuple[str, ...]]:
    from embed_plugin.evaluate.known_items import compare_known_items  # noqa: PLC0415 - loads numpy

    baseline, model = results
    rows: list[tuple[str, ...]] = [("", "questions", "baseline", "model", "difference", "95 % interval")]
    rows += [(_SHOWN[each.metric], f"{len(model.questions):,}", *cells_of_difference(each)) for each in differences]
    for kind in model.kinds:
        part = model.of_kind(kind)
        of_kind = compare_known_items(baseline.of_kind(kind), part)[0]
        rows.append((f"MRR@10, {kind}", f"{len(part.questions):,}", *cells_of_difference(of_kind)))
    return rows


def _line(row: tuple[str, ...]) -> str:
    cells = [f"{row[0]:<17}", *(f"{cell:>11}" for cell in row[1:-1]), f"{row[-1]:>18}"]
    return "".join(cells)
