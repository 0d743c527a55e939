"""Find the end of a piece that means nothing without what follows: a heading, a signature, the head of a table."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Protocol

from embed_plugin.ingest.chunk.markdown_lines import LEADING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.chunk.markdown_lines import Line

_MOST_ROWS = 40
"""Lines that are looked back over for the beginning of a signature, or for a comment: a longer one stands by itself."""

_HASH_COMMENTS = frozenset({"bash", "php", "python", "ruby"})
_WORD_OPENS = {
    "bash": re.compile(r".*\b(?:then|do|else)"),
    "ruby": re.compile(r"(?:(?:class|module|def|if|unless|begin|else)\b.*|.*\bdo(?: \|[^|]*\|)?)"),
}
_QUOTES = frozenset({'"""', "'''"})
_TRIPLE = re.compile("|".join(_QUOTES))
_COMMENT_BEHIND = re.compile(r"[ \t](?:#|//)[^\n]*$")
_ATTRIBUTE = re.compile(r"@[\w.]|#\[|\[\w[\w.]*(?:\(.*\))?\]$")


class Leads(Protocol):
    """Finds the lines that lead to what follows them."""

    def begin(self, start: int, end: int) -> int:
        """The position from which on a piece of the text holds nothing but leading lines; ``end`` if it has none."""


class NoLeads:
    """Finds none, as in plain text."""

    def begin(self, start: int, end: int) -> int:
        """The end of the piece."""
        del start
        return end


class MarkdownLeads:
    """Finds headings, openers of code blocks, heads of tables and lists of links.

    Args:
        lines: Of the whole text.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._starts = [line.start for line in lines]

    def begin(self, start: int, end: int) -> int:
        """The position from which on a piece of the text holds nothing but leading lines; ``end`` if it has none."""
        found = end
        for number in range(bisect_left(self._starts, end) - 1, -1, -1):
            line = self._lines[number]
            if line.end <= start or not (line.kind == "blank" or line.kind in LEADING):
                break
            if line.kind != "blank":
                found = max(start, line.start)
        return found

    def content(self, start: int, end: int) -> int:
        """The position of a piece's first line that is no leading one; of its last line if all are."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = max(first, bisect_left(self._starts, end) - 1)
        kinds = ((number, self._lines[number].kind) for number in range(first, last))
        found = next((number for number, kind in kinds if kind != "blank" and kind not in LEADING), last)
        return max(start, self._starts[found])


class CodeLeads:
    """Finds signatures and other openers of blocks, decorators, and the comments directly before either.

    In Python the quotes that a docstring begins with are one of them: a splitter may cut behind them.

    Args:
        text: The source code.
        syntax: Its language.
    """

    def __init__(self, text: str, syntax: str) -> None:
        self._text = text
        self._syntax = syntax
        self._comment = ("#",) if syntax in _HASH_COMMENTS else ("//", "/*", "*/", "* ")
        self._quotes = [one.start() for one in _TRIPLE.finditer(text)] if syntax == "python" else []

    def begin(self, start: int, end: int) -> int:
        """The position from which on a piece of the text holds nothing but leading lines; ``end`` if it has none."""
        lines = self._text[start:end].split("\n")
        found = row = len(lines)
        while row > 0:
            if lines[row - 1].strip():
                at = start + sum(len(line) + 1 for line in lines[: row - 1])
                first = row - 1 if self._opens_string(lines[row - 1], at) else self._first_row(lines, row - 1)
                if first is None or len(lines) - first > _MOST_ROWS:
                    break
                found = row = first
            else:
                row -= 1
        return end if found == len(lines) else start + sum(len(line) + 1 for line in lines[:found])

    def _first_row(self, lines: Sequence[str], row: int) -> int | None:
        """The first row of the statement that ends in this one, if it leads to what follows; else None."""
        line = lines[row].strip()
        if _ATTRIBUTE.match(line) or self._is_comment(line):
            return row
        code = _COMMENT_BEHIND.sub("", line).rstrip()
        if code == "{" and row and lines[row - 1].strip() and not lines[row - 1].rstrip().endswith((";", "{", "}")):
            return _balanced(lines, row - 1)
        if self._opens(code):
            return _balanced(lines, row)
        if code.endswith(")") and _ATTRIBUTE.match(lines[first := _balanced(lines, row)].strip()):
            return first
        return None

    def _opens_string(self, line: str, at: int) -> bool:
        """Return whether a line, at a position of the text, is nothing but the quotes before a string of lines."""
        quotes = line.strip().lstrip("rRbBuUfF")
        return quotes in _QUOTES and bisect_left(self._quotes, at) % 2 == 0 and bool(self._quotes)

    def _is_comment(self, line: str) -> bool:
        return line.startswith(self._comment) and not line.endswith(";") and not line.startswith("#!")

    def _opens(self, code: str) -> bool:
        if code.endswith(("(", "[", "{")):
            return True
        if self._syntax == "python":
            return code.endswith(":")
        words = _WORD_OPENS.get(self._syntax)
        return words is not None and words.fullmatch(code) is not None


def _balanced(lines: Sequence[str], row: int) -> int:
    """The row at or above this one from which on round and square brackets are closed that are opened."""
    depth = 0
    for first in range(row, max(-1, row - _MOST_ROWS), -1):
        depth += sum(lines[first].count(mark) for mark in ")]") - sum(lines[first].count(mark) for mark in "([")
        if depth <= 0:
            return first
    return row
