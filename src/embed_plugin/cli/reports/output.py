"""Output that commands share: facts as lines or JSON, warnings, and progress on stderr if it is a terminal."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from embed_plugin.cli.printable import printable, say
from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


MOST_UNKNOWN = 0.3
"""Share of unknown tokens above which commands warn. English text under an English WordPiece has nearly none, a Chinese
documentation site 0.38."""


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line, values aligned."""
    shown = {printable(name).replace("_", " "): printable(value) for name, value in facts.items()}
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")  # noqa: T201 - the command's output


def warn_of_unknown(unknown: int | None, tokens: int) -> None:
    """Warn on stderr if more than :data:`MOST_UNKNOWN` of the tokens are unknown to the model's tokenizer."""
    if unknown is not None and unknown > MOST_UNKNOWN * tokens:
        share = (
            f"{unknown / tokens:.0%} of the tokens ({unknown:,} of {tokens:,}) are unknown to this model's tokenizer"
        )
        say(f"{share}, and texts that differ in those alone have the same vector: take a model of the texts' language")


def write_json(content: object, target: str) -> None:
    """Write JSON to a file, or to stdout for ``-``.

    Raises:
        OutputError: the file cannot be written.
    """
    if target == "-":
        print(_json(content, sys.stdout.encoding))  # noqa: T201 - the command's output
        return
    try:
        Path(target).write_text(_json(content, "utf-8") + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror}): choose another --json") from error


def _json(content: object, encoding: str) -> str:
    """Write JSON for a stream of an encoding, with escapes if that has not all of its characters."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(content, indent=2)
    return text


def progress_bar() -> Progress:
    """Make a bar with count, elapsed and remaining time on stderr; it is silent if stderr is no terminal."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


@contextmanager
def counting_progress(doing: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the count done, the total and the rate; yields the function that updates it."""
    started = time.perf_counter()
    with progress_bar() as bar:
        task = bar.add_task(doing, total=None, rate="")

        def show(done: int, total: int) -> None:
            rate = f"{done / (time.perf_counter() - started):,.0f} {unit}/s"
            bar.update(task, completed=done, total=total, rate=rate)

        yield show
