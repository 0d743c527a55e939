"""``embed-plugin search``: the chunks of a collection that are nearest to a text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

import embed_plugin
from embed_plugin.cli.any_encoder import load_second_stage
from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model
from embed_plugin.cli.options.other_models import HybridSearch
from embed_plugin.cli.options.selection import Chosen
from embed_plugin.cli.printable import printable, say
from embed_plugin.cli.reports.output import write_json
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.cli.any_encoder import SecondStage
    from embed_plugin.ingest import Condition, Hit, QdrantSink
    from embed_plugin.protocols import TextEncoder

_SHOWN_LINES = 2
CANDIDATES = 100
"""Chunks that a second model ranks, where nothing else is asked for."""


@with_option_groups
def search(
    text: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    *,
    model: Model,
    target: CollectionOptions,
    limit: Annotated[int, typer.Option(min=1, help="Most chunks to show.")] = 5,
    hybrid_search: HybridSearch,
    instruction: Annotated[
        str | None,
        typer.Option(help="What the query is for, for a model that takes it, as Qwen3-Embedding.", show_default=False),
    ] = None,
    rerank: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A reranker, or the model of the collection's token vectors: it ranks the candidates.",
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(min=1, help="With --rerank: chunks found first, which it ranks.", show_default="100"),
    ] = None,
    chosen: Chosen,
    json_file: JsonFile = None,
) -> None:
    """Find the chunks of a collection whose meaning is nearest to a text.

    With --rerank, the chunks found are candidates, which a second model ranks: a reranker reads them, and a
    late-interaction model compares the query with the token vectors that are stored of them (max-sim). With --hybrid,
    the candidates are those of the fused ranking. With --filter, every ranking is one of those chunks alone.

    Example: embed-plugin search "stop a process" --model models/minilm-int8 --to qdrant --collection docs
    """
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.ingest import search as search_chunks  # noqa: PLC0415 - after the check
    from embed_plugin.ingest import with_neighbours  # noqa: PLC0415 - after the check

    if candidates is not None and rerank is None:
        raise typer.BadParameter("--candidates says how many chunks --rerank ranks: give a model for it as well")
    second = None if rerank is None else load_second_stage(rerank)
    selection, conditions = chosen.selection(), chosen.conditions()
    wanted = selection.candidates(limit)
    found = wanted if second is None else max(limit, candidates or CANDIDATES)
    fusion = hybrid_search.fusion()
    models = hybrid_search.models(model)
    with target.opened(settings=models.settings()) as sink:
        encoder = models.encoder()
        hits = search_chunks(
            text, encoder, sink, limit=found, hybrid=fusion, instruction=instruction, filter=conditions
        )
        if second is not None:
            hits = _ranked_anew(text, hits, second, sink, wanted)
        shown = with_neighbours(selection.choose(hits, limit=limit), sink, chosen.context)
        reasons = [] if shown else _reasons(text, encoder, sink, conditions, hits)
    if json_file:
        write_json([{**asdict(hit), "citation": hit.citation} for hit in shown], json_file)
        for reason in reasons:
            say(f"nothing found: {reason}")
    else:
        _print_hits(shown, Console(highlight=False), full=chosen.full)
        for reason in reasons:
            print(f"Nothing found: {printable(reason)}.")  # noqa: T201 - the command's output


def _ranked_anew(text: str, hits: Sequence[Hit], second: SecondStage, sink: QdrantSink, limit: int) -> list[Hit]:
    """Rank the candidates by the second model."""
    from embed_plugin.ingest import rerank_hits, rescore_hits  # noqa: PLC0415 - needs the extra

    if isinstance(second, embed_plugin.Reranker):
        return rerank_hits(text, hits, second, limit=limit)
    return rescore_hits(text, hits, second, sink, limit=limit)


def _reasons(
    text: str, encoder: TextEncoder, sink: QdrantSink, conditions: Sequence[Condition], hits: Sequence[Hit]
) -> list[str]:
    """Return why no hit is shown."""
    from embed_plugin.ingest import reasons_for_nothing  # noqa: PLC0415 - needs the extra

    if hits:
        return [f"the best score is {hits[0].score:.3f}, below --min-score"]
    return reasons_for_nothing(text, encoder, sink, filter=conditions) or ["no chunk that was found has token vectors"]


def _print_hits(hits: Sequence[Hit], console: Console, *, full: bool) -> None:
    for rank, hit in enumerate(hits, start=1):
        head = Text.assemble(f"{rank:>2}  ", (f"{hit.score:.3f}", "cyan"), "  ", (printable(_cited(hit)), "bold"))
        console.print(head, overflow="ellipsis", no_wrap=True)
        if hit.places:
            console.print(Text(f"    {_in_words(hit)}", style="dim"), overflow="ellipsis", no_wrap=True)
        for text, style in (
            *((one, "dim") for one in hit.before),
            (hit.text, ""),
            *((one, "dim") for one in hit.after),
        ):
            for line in _lines(text, style, console, full=full):
                console.print(Text("    ") + line)
        if hit.duplicates:
            also = Text(printable(f"    also: {', '.join(hit.duplicates)}"), "dim")
            console.print(also, overflow="ellipsis", no_wrap=True)


def _lines(text: str, style: str, console: Console, *, full: bool) -> list[Text]:
    """Return the lines of a text that are shown, as wide as the console."""
    lines = text.splitlines() if full else [" ".join(text.split())]
    wrapped = [
        part for line in lines for part in Text(printable(line.expandtabs()), style).wrap(console, console.width - 11)
    ]
    return wrapped if full else wrapped[:_SHOWN_LINES]


def _cited(hit: Hit) -> str:
    """Return where a hit is; without a line or a page, with its position among the chunks of its record."""
    is_placed = hit.first_line is not None or hit.page is not None
    return hit.citation if is_placed or not hit.chunk_index else f"{hit.citation} [{hit.chunk_index}]"


def _in_words(hit: Hit) -> str:
    """Return the hit's place and score in each ranking that has it."""
    return ", ".join(f"{name} {place.rank} ({place.score:.3f})" for name, place in hit.places.items())
