"""The outcome of ``evaluate`` as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.cli.any_encoder import AnyEncoder, SecondStage
    from embed_plugin.evaluate import Agreement, Difference, Interval

SHOWN_NAMES = {
    "ndcg@10": "nDCG@10",
    "recall@100": "recall@100",
    "mrr@10": "MRR@10",
    "spearman": "Spearman",
    "agreement_at_10": "agreement@10",
    "first_agreement": "same first",
}


@dataclass(frozen=True)
class Outcome:
    """The measured quality of one model, or of a baseline and a model.

    Attributes:
        values: Metric name to value from 0 to 1, of each model; the one that was asked for last.
        differences: Each metric of both models; empty without a baseline.
        agreements: The shares of answers in common; empty without a baseline, and where nothing is searched.
        sizes: Counts of what was measured on.
        split: The name of the judgements, where they have one.
        first_stage: Name, candidates and metrics of what found the documents that were ranked anew.
        fused: The weight of each ranking that was fused, by name.
    """

    values: Sequence[Mapping[str, float]]
    differences: Sequence[Difference]
    agreements: Sequence[Agreement]
    sizes: Mapping[str, int]
    split: str = ""
    first_stage: Mapping[str, Any] = field(default_factory=dict)
    fused: Mapping[str, float] = field(default_factory=dict)


def outcome_as_json(outcome: Outcome, encoders: Sequence[AnyEncoder] | Sequence[SecondStage]) -> dict[str, object]:
    """Return the outcome for JSON: metrics from 0 to 1, drops in per cent of the baseline."""
    models = [
        {"folder": str(encoder.folder), "fingerprint": encoder.fingerprint, "metrics": dict(metrics)}
        for encoder, metrics in zip(encoders, outcome.values, strict=True)
    ]
    split: dict[str, object] = {"split": outcome.split} if outcome.split else {}
    split |= {"first_stage": outcome.first_stage} if outcome.first_stage else {}
    split |= {"fused": dict(outcome.fused)} if outcome.fused else {}
    facts = {**split, **outcome.sizes, "model": models[-1], "baseline": models[0] if outcome.differences else None}
    shares = {each.measure: {"value": each.value, "interval": asdict(each.interval)} for each in outcome.agreements}
    return {**facts, "differences": differences_as_json(outcome.differences), **shares}


def differences_as_json(differences: Sequence[Difference]) -> dict[str, dict[str, object]]:
    """Return each metric's difference for JSON; ``low`` and ``high`` stay beside ``interval`` for earlier readers."""
    return {each.metric: _difference_as_json(each) for each in differences}


def _difference_as_json(each: Difference) -> dict[str, object]:
    interval = asdict(each.interval)
    return {"difference": each.difference, "drop_percent": each.drop_percent, "interval": interval, **interval}


def print_outcome(outcome: Outcome) -> None:
    """Print the metrics in per cent, one a line, and under them what was measured on."""
    rows: list[tuple[str, ...]]
    if outcome.differences:
        rows = [("", "baseline", "model", "difference", "95 % interval"), *map(_row_of_difference, outcome.differences)]
        rows += map(_row_of_agreement, outcome.agreements)
    else:
        rows = [(SHOWN_NAMES[name], f"{100 * value:.2f}") for name, value in outcome.values[-1].items()]
    for row in rows:
        typer.echo(f"{row[0]:<12}" + "".join(f"{cell:>12}" for cell in row[1:4]) + "".join(f"{x:>18}" for x in row[4:]))
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in outcome.sizes.items() if count]
    typer.echo(", ".join([*counts, *([f"split {outcome.split}"] if outcome.split not in {"", "test"} else [])]))
    if outcome.fused:
        typer.echo("fused: " + ", ".join(f"{name} {weight:.3g}" for name, weight in outcome.fused.items()))
    if outcome.first_stage:
        name, found = outcome.first_stage["name"], outcome.first_stage["metrics"]
        metrics = ", ".join(f"{SHOWN_NAMES[metric]} {100 * value:.2f}" for metric, value in found.items())
        typer.echo(f"ranked: the first {outcome.first_stage['candidates']} of {name}, which alone has {metrics}")


def _row_of_difference(each: Difference) -> tuple[str, ...]:
    return (SHOWN_NAMES[each.metric], *cells_of_difference(each))


def _row_of_agreement(each: Agreement) -> tuple[str, ...]:
    """The share stands in the column of the model; the baseline agrees with itself."""
    return (SHOWN_NAMES[each.measure], "", f"{100 * each.value:.2f}", "", shown_interval(each.interval))


def cells_of_difference(each: Difference) -> tuple[str, str, str, str]:
    """Return both values, their difference and its interval, in points."""
    figures = (f"{100 * each.baseline:.2f}", f"{100 * each.model:.2f}", f"{100 * each.difference:+.2f}")
    return (*figures, shown_interval(each.interval, sign="+"))


def shown_interval(interval: Interval, *, sign: str = "-") -> str:
    """Return both ends in points; the sign ``+`` shows it on numbers above 0 too."""
    return f"{100 * interval.low:{sign}.2f} to {100 * interval.high:{sign}.2f}"
