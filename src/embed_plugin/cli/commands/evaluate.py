"""``embed-plugin evaluate``: the quality of a model folder, alone or against another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import embed_plugin
from embed_plugin.cli.any_encoder import load_any, load_second_stage
from embed_plugin.cli.judged import measure_retrieval
from embed_plugin.cli.known_items import OwnRun, evaluate_own_records
from embed_plugin.cli.options.first_stage import FirstStage, FusedRankings
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.own_records import OwnRecords
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.evaluate import Outcome, outcome_as_json, print_outcome
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.reranking import is_second_stage, measure_reranking
from embed_plugin.cli.stopping import stoppable
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin import Encoder
    from embed_plugin.cli.any_encoder import AnyEncoder, SecondStage
    from embed_plugin.evaluate import RetrievalDataset, SentencePair


@with_option_groups
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A model folder.", show_default=False)],
    *,
    dataset: Annotated[
        Path | None,
        typer.Option(
            help="A BEIR folder, a dataset of MTEB (.parquet, .jsonl), or an STS file (score, sentence1, sentence2).",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to take of a --dataset folder.", show_default="test, or the only one")
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(
            help="Subset to take of a --dataset folder, such as de of de-corpus.", show_default="the only one"
        ),
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
    first_stage: FirstStage,
    rankings: FusedRankings,
    own_records: OwnRecords,
) -> None:
    """Measure retrieval (nDCG@10, recall@100, MRR@10) or similarity (Spearman), with exact search.

    With --baseline, both models are measured, the difference has a 95 % interval (paired bootstrap), and retrieval has
    the share of the baseline's first ten documents that are the model's too, and how often the first one is the same.

    Of a reranker, the ranking of what BM25 or --first-stage finds for each query is measured. Sparse encoders are
    searched by the dot product, and late-interaction models by max-sim of every document with every query, which takes
    a while, or with --first-stage of what that finds. Both need a dataset of queries and documents.

    With --hybrid, an embedding model's ranking (or that of --first-stage) is fused with those of BM25's words, --sparse
    and --late, and with --baseline-hybrid the baseline's too. To see what that gains, give the model as its own
    baseline.

    With --from, questions are made from the records of a collection and asked of it: MRR@10, success@1, success@10.

    Example:  embed-plugin evaluate models/minilm-int8 --dataset scifact --baseline models/minilm-fp32 --max-drop 1
    """
    own_records.check(dataset=dataset, baseline=baseline)
    rankings.check(is_hybrid=own_records.hybrid or own_records.baseline_hybrid)
    _check_split(dataset, split, subset)
    if max_drop is not None and baseline is None and not own_records.is_compared:
        raise typer.BadParameter("--max-drop says how far below the baseline: give --baseline as well")
    if json_target and not Path(json_target).parent.is_dir():  # before minutes of encoding, not after
        raise typer.BadParameter(f"--json: the folder of {json_target} is not there")
    if dataset is None:
        first_stage.refuse()
        run = OwnRun(own_records, rankings, quiet)
        evaluate_own_records(folder, run, baseline=baseline, max_drop=max_drop, json_target=json_target)
        return
    folders = [path for path in (baseline, folder) if path is not None]
    models: Sequence[AnyEncoder] | Sequence[SecondStage]
    with stoppable("Stopping"), shown_progress("evaluate", quiet=quiet) as show:
        read = _Judged(dataset, split, subset)
        if is_second_stage(folder, first_stage):
            own_records.refuse_baseline_hybrid()
            models = second_stages = [load_second_stage(path) for path in folders]
            fused = rankings if own_records.hybrid else None
            outcome = measure_reranking(read.retrieval(), second_stages, first_stage, show, rankings=fused)
        else:
            first_stage.refuse()
            models = encoders = [load_any(path) for path in folders]
            outcome = _measure(read, encoders, show, rankings=rankings, own_records=own_records)
    if json_target != "-":
        print_outcome(outcome)
    if json_target:
        write_json({"dataset": str(dataset), **outcome_as_json(outcome, models)}, json_target)
    if max_drop is not None:
        from embed_plugin.evaluate import require_max_drop  # noqa: PLC0415 - loads numpy

        require_max_drop(outcome.differences[0], max_drop)


@dataclass(frozen=True)
class _Judged:
    """A dataset on disk, and the part of it to take."""

    path: Path
    split: str | None
    subset: str | None

    @property
    def is_retrieval(self) -> bool:
        """True if it has queries and documents."""
        from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

        return self.path.is_dir() and evaluation.holds_retrieval(self.path)

    def retrieval(self) -> RetrievalDataset:
        """Read queries, judgements and the place of the documents.

        Raises:
            typer.BadParameter: it is a file, which has none.
        """
        from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

        if not self.path.is_dir():
            raise typer.BadParameter(f"--dataset {self.path}: what was found is ranked; expected a BEIR folder")
        return evaluation.read_retrieval_dataset(self.path, split=self.split, subset=self.subset)

    def pairs(self) -> Sequence[SentencePair]:
        """Read sentence pairs."""
        from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

        return evaluation.read_sentence_pairs(self.path, split=self.split, subset=self.subset)


def _check_split(dataset: Path | None, split: str | None, subset: str | None) -> None:
    """Refuse a split or a subset of what has none."""
    if split is None and subset is None:
        return
    if dataset is None:
        raise typer.BadParameter("--split and --subset choose files of --dataset: leave them out with --from")
    if dataset.is_file():
        raise typer.BadParameter(f"--split and --subset choose files of a folder, and {dataset} is a file")


def _measure(
    judged: _Judged,
    encoders: Sequence[AnyEncoder],
    show: Callable[[Amount], None],
    *,
    rankings: FusedRankings,
    own_records: OwnRecords,
) -> Outcome:
    fused = [own_records.baseline_hybrid, own_records.hybrid][-len(encoders) :]
    if judged.is_retrieval:
        return measure_retrieval(judged.retrieval(), encoders, show, rankings=rankings, fused_sides=fused)
    found = f"{judged.path} has pairs of sentences"
    remedy = "give a folder of queries, documents and judgements (BEIR)"
    if any(fused):
        raise InvalidInputError(f"{found}, and --hybrid fuses rankings of documents: {remedy}")
    dense = [encoder for encoder in encoders if isinstance(encoder, embed_plugin.Encoder)]
    if len(dense) < len(encoders):
        raise InvalidInputError(f"{found}, and only embedding models are measured by similarity: {remedy}")
    return _measure_similarity(judged.pairs(), dense, show)


def _measure_similarity(
    pairs: Sequence[SentencePair], encoders: Sequence[Encoder], show: Callable[[Amount], None]
) -> Outcome:
    from embed_plugin import evaluate as evaluation  # noqa: PLC0415 - loads numpy

    results = []
    for encoder in encoders:
        on_progress = _shown(encoder, 2 * len(pairs), show)
        results.append(evaluation.evaluate_similarity(encoder, pairs, on_progress=on_progress))
    differences = evaluation.compare_similarity(*results) if len(results) > 1 else ()
    return Outcome([{"spearman": result.spearman} for result in results], differences, (), {"pairs": len(pairs)})


def _shown(encoder: AnyEncoder, total: int, show: Callable[[Amount], None]) -> Callable[[int], None]:
    """Return a function that shows the count of texts that this encoder has encoded."""
    return lambda done: show(Amount(done, total, "text", encoder.folder.name))
