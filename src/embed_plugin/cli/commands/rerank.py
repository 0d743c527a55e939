"""``embed-plugin rerank``: lines on stdin, ranked by how well they answer a query."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

import embed_plugin
from embed_plugin.cli.options.collection import JsonFile
from embed_plugin.cli.printable import printable
from embed_plugin.cli.reports.output import write_json
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Sequence


def rerank(
    folder: Annotated[Path, typer.Argument(help="A reranker's model folder.", show_default=False)],
    query: Annotated[str, typer.Option(help="What the lines are to answer.", show_default=False)],
    *,
    top_k: Annotated[int | None, typer.Option(min=1, help="Most lines to show.", show_default="all")] = None,
    instruction: Annotated[
        str | None,
        typer.Option(help="What the query is for, for a model that takes it, as Qwen3-Reranker.", show_default=False),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    r"""Rank the lines of stdin by how well they answer a query, best first. Blank lines are left out.

    Example:  printf 'Cats sleep.\nopen() reads a file.\n' | embed-plugin rerank models/reranker --query "read a file"
    """
    reranker = embed_plugin.Reranker.load(folder)
    lines = [(index, line.text) for index, line in enumerate(read_text_lines(sys.stdin.buffer, "stdin"))]
    kept = [(index, text) for index, text in lines if text.strip()]
    ranked = reranker.rank(query, [text for _, text in kept], top_k=top_k, instruction=instruction)
    rows = [(score, *kept[at]) for at, score in ranked]
    if json_file:
        write_json([{"index": index, "score": score, "text": text} for score, index, text in rows], json_file)
    else:
        _print_rows(rows, Console(highlight=False))


def _print_rows(rows: Sequence[tuple[float, int, str]], console: Console) -> None:
    if not rows:
        console.print("Nothing to rank: stdin has no line with text.")
    for rank, (score, index, text) in enumerate(rows, start=1):
        head = Text.assemble(f"{rank:>2}  ", (f"{score:.3f}", "cyan"), f"  line {index + 1}  ", printable(text))
        console.print(head, overflow="ellipsis", no_wrap=True)
