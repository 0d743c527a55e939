"""``embed-plugin evaluate``: the quality of a model folder, alone or against another one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import embed_plugin
from embed_plugin.cli.known_items import evaluate_own_records
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.own_records import OwnRecords
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin import Encoder
    from embed_plugin.evaluate import Difference

    Outcome = tuple[list[Mapping[str, float]], Sequence[Difference], dict[str, int]]

SHOWN_NAMES = {"ndcg@10": "nDCG@10", "recall@100": "recall@100", "mrr@10": "MRR@10", "spearman": "Spearman"}


@with_option_groups
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A model folder.", show_default=False)],
    *,
    dataset: Annotated[
        Path | None,
        typer.Option(help="A BEIR folder, or an STS file (score, sentence1, sentence2).", show_default=False),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A model folder to compare with.")] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            help="Fail when nDCG@10, Spearman or (with --from) MRR@10 is lower by more than this per cent of the "
            "baseline's."
        ),
    ] = None,
    json_target: Annotated[
        str | None, typer.Option("--json", help="Write the result as JSON to this file, or - for stdout.")
    ] = None,
    quiet: Quiet = False,
    own_records: OwnRecords,
) -> None:
    """Measure retrieval (nDCG@10, recall@100, MRR@10) or similarity (Spearman), with exact search.

    With --baseline, both models are measured and the difference has a 95 % interval (paired bootstrap).

    With --from, questions are made from the records of a collection and asked of it: MRR@10, success@1, success@10.

    Example:  embed-plugin evaluate models/minilm-int8 --dataset scifact --baseline models/minilm-fp32 --max-drop 1
    """
    own_records.check(dataset=dataset, baseline=baseline)
    if max_drop is not None and baseline is None and not own_records.is_compared:
        raise typer.BadParameter("--max-drop says how far below the baseline: give --baseline as well")
    if json_target and not Path(json_target).parent.is_dir():  # before minutes of encoding, not after
        raise typer.BadParameter(f"--json: the folder of {json_target} is not there")
    if dataset is None:
        evaluate_own_records(
            folder, own_records, baseline=baseline, max_drop=max_drop, json_target=json_target, quiet=quiet
        )
        return
    measure = _measure_retrieval if dataset.is_dir() else _measure_similarity
    encoders = [embed_plugin.Encoder.load(path) for path in (baseline, folder) if path is not None]
    with stoppable("Stopping"), shown_progress("evaluate", quiet=quiet) as show:
        values, differences, sizes = measure(dataset, encoders, show)
    if json_target != "-":
        _print_table(values[-1], differences, sizes)
    if json_target:
        write_json(_facts(encoders, values, differences, {"dataset": str(dataset), **sizes}), json_target)
    if max_drop is not None:
        from embed_plugin.evaluate import require_max_drop  # noqa: PLC0415 - loads numpy

        require_max_drop(differences[0], max_drop)


def _measure_retrieval(path: Path, encoders: Sequence[Encoder], show: Callable[[Amount], None]) -> Outcome:
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    dataset = evaluation.read_retrieval_dataset(path)
    results = []
    for encoder in encoders:
        on_progress = _shown(encoder, dataset.count_documents(), show)
        results.append(evaluation.evaluate_retrieval(encoder, dataset, on_progress=on_progress))
    differences = evaluation.compare_retrieval(*results) if len(results) > 1 else ()
    sizes = {
        "queries": len(dataset.queries),
        "documents": results[0].documents,
        "missing_documents": results[0].missing_documents,
    }
    return [result.means for result in results], differences, sizes


def _measure_similarity(path: Path, encoders: Sequence[Encoder], show: Callable[[Amount], None]) -> Outcome:
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    pairs = evaluation.read_sentence_pairs(path)
    results = []
    for encoder in encoders:
        on_progress = _shown(encoder, 2 * len(pairs), show)
        results.append(evaluation.evaluate_similarity(encoder, pairs, on_progress=on_progress))
    differences = evaluation.compare_similarity(*results) if len(results) > 1 else ()
    return [{"spearman": result.spearman} for result in results], differences, {"pairs": len(pairs)}


def _shown(encoder: Encoder, total: int, show: Callable[[Amount], None]) -> Callable[[int], None]:
    """Return a function that shows the count of texts that this encoder has encoded."""
    return lambda done: show(Amount(done, total, "text", encoder.folder.name))


def _facts(
    encoders: Sequence[Encoder],
    values: Sequence[Mapping[str, float]],
    differences: Sequence[Difference],
    sizes: Mapping[str, object],
) -> dict[str, object]:
    """Return the result for JSON: metrics from 0 to 1, drops in per cent of the baseline."""
    models = [
        {"folder": str(encoder.folder), "fingerprint": encoder.fingerprint, "metrics": dict(metrics)}
        for encoder, metrics in zip(encoders, values, strict=True)
    ]
    facts = {**sizes, "model": models[-1], "baseline": models[0] if differences else None}
    compared = {
        each.metric: {"difference": each.difference, "drop_percent": each.drop_percent, **asdict(each.interval)}
        for each in differences
    }
    return {**facts, "differences": compared}


def _print_table(values: Mapping[str, float], differences: Sequence[Difference], sizes: Mapping[str, int]) -> None:
    rows: list[tuple[str, ...]]
    if differences:
        rows = [("", "baseline", "model", "difference", "95 % interval"), *map(_row, differences)]
    else:
        rows = [(SHOWN_NAMES[name], f"{100 * value:.2f}") for name, value in values.items()]
    for row in rows:
        typer.echo(f"{row[0]:<12}" + "".join(f"{cell:>12}" for cell in row[1:4]) + "".join(f"{x:>18}" for x in row[4:]))
    typer.echo(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sizes.items() if count))


def _row(each: Difference) -> tuple[str, ...]:
    low, high = 100 * each.interval.low, 100 * each.interval.high
    figures = (f"{100 * each.baseline:.2f}", f"{100 * each.model:.2f}", f"{100 * each.difference:+.2f}")
    return (SHOWN_NAMES[each.metric], *figures, f"{low:+.2f} to {high:+.2f}")
