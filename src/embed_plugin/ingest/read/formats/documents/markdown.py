"""Markdown of what documents hold: headings, rows of tables, code, and text without control characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BACKTICKS = re.compile("`+")
_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_NO_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MOST_LEVELS = 6


def cleaned(text: str) -> str:
    """Text with line feeds alone as line breaks, without control characters, and without lone surrogates."""
    return _SURROGATES.sub("\ufffd", _NO_CHARACTERS.sub("", _LINE_BREAKS.sub("\n", text)))


def one_line(text: str) -> str:
    """Text on one line."""
    return " ".join(cleaned(text).split())


def heading(text: str, level: int) -> str:
    """A heading line; empty for an empty text. Markdown has six levels, and deeper ones are of the sixth."""
    title = one_line(text)
    return f"{'#' * min(max(level, 1), _MOST_LEVELS)} {title}" if title else ""


def table(rows: Iterable[Sequence[str]]) -> str:
    """The rows of a table with its first row as its head; rows and columns without any text are left out."""
    lines = [[one_line(cell).replace("|", r"\|") for cell in row] for row in rows]
    lines = [line for line in lines if any(line)]
    width = max((len(line) for line in lines), default=0)
    filled = [number for number in range(width) if any(len(line) > number and line[number] for line in lines)]
    written = [_row([line[number] if number < len(line) else "" for number in filled]) for line in lines]
    if written:
        written.insert(1, f"|{' --- |' * len(filled)}")
    return "\n".join(written)


def fenced(code: str, syntax: str = "") -> str:
    """Code between fences that are longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(code)), default=0))
    return f"{fence}{syntax}\n{code}\n{fence}"


def paragraphs(blocks: Iterable[str]) -> str:
    """Blocks with an empty line between them, without those that are empty."""
    return "\n\n".join(block for block in (block.strip("\n") for block in blocks) if block.strip())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
