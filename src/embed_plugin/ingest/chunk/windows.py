"""Cut a text of any length and any shape in time proportional to its length.

For each chunk a splitter looks at the whole rest of a syntax node or line, so that one long string in code costs the
square of its length, and deeply nested code more. Three bounds keep the work proportional:

- A splitter is given a window of the text. The pieces near the window's end are cut again in the next window, which
  begins where the first of them does, so the end of a window is no boundary of a chunk.
- Of a part that clearly does not fit into a chunk, only the beginning is tokenised.
- Where nested code or Markdown makes the splitter count the same characters over and over, or brackets are nested more
  deeply than in any code that is written by hand, the rest of the text is cut as plain text.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from embed_plugin.ingest.chunk.splitters import make_splitter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WINDOW_CHARACTERS = 16_384
"""Least length of a window: the splitter's first step takes a second for brackets nested this deep, and four for twice
as many (2.9 GHz)."""

WINDOW_CHARACTERS_PER_TOKEN = 16
"""A window holds several chunks: English has 4 to 5 characters a token."""

HEAD_CHARACTERS_PER_TOKEN = 8
"""Length of the beginning that is tokenised first. Text with more characters a token is tokenised in longer parts."""

LONGEST_WORD_CHARACTERS = 100
"""WordPiece makes a longer word one unknown token; a head that ends inside the word may have this many instead."""

BUDGET = 40
"""Most characters counted for each character of a window: prose and code take 4 to 15, long chains of calls 34."""

DEEPEST_BRACKETS = 500
"""Nesting above which a window is no code that has boundaries. The splitter's own work, between counts, grows with the
square of the depth and more: 5 s for 8,000 brackets, 0.2 s for 4,000 (2.9 GHz)."""

_BRACKET = re.compile(r"[\[\](){}]")


class _OverBudgetError(Exception):
    """The splitter has counted a window's characters too often."""


def is_long(text: str, capacity: int) -> bool:
    """Return whether a text is longer than a window, so that it is cut without counting its tokens as a whole."""
    return len(text) > _window_length(capacity)


def split(text: str, syntax: str, count: Callable[[str], int], *, capacity: int, overlap: int) -> list[tuple[int, str]]:
    """Cut a text into pieces of at most ``capacity`` tokens, each with the position of its first character.

    They are in order, and only white space is between them.

    Args:
        text: The text.
        syntax: A kind of text that has a splitter.
        count: Counts the tokens of a text. An exception that it raises ends the cut.
        capacity: Maximum tokens of a piece.
        overlap: Maximum tokens that a piece repeats of the one before it.
    """
    return _Cut(count, capacity, overlap).pieces(text, syntax)


class _Cut:
    def __init__(self, count: Callable[[str], int], capacity: int, overlap: int) -> None:
        self._count_tokens = count
        self._capacity = capacity
        self._overlap = overlap
        self._budget: int | None = None

    def pieces(self, text: str, syntax: str) -> list[tuple[int, str]]:
        pieces: list[tuple[int, str]] = []
        start = 0
        while start < len(text):
            window = _window(text, start, _window_length(self._capacity))
            syntax, found = self._cut(window, syntax)
            settled = len(found) if start + len(window) == len(text) else _settled(found, len(window))
            pieces += [(start + offset, piece) for offset, piece in found[:settled]]
            start += found[settled][0] if settled < len(found) else len(window)
        return pieces

    def _cut(self, window: str, syntax: str) -> tuple[str, list[tuple[int, str]]]:
        """Cut a window by its syntax, or as plain text if that takes too much counting; return which one it was."""
        if syntax != "text" and _depth_of_brackets(window) > DEEPEST_BRACKETS:
            syntax = "text"
        self._budget = None if syntax == "text" else BUDGET * len(window)
        splitter = make_splitter(syntax, self._count, capacity=self._capacity, overlap=self._overlap)
        try:
            return syntax, splitter.chunk_indices(window)
        except _OverBudgetError:
            return self._cut(window, "text")

    def _count(self, text: str) -> int:
        """Count the tokens of a text; of one that clearly does not fit, only those of its beginning."""
        surplus = self._capacity + LONGEST_WORD_CHARACTERS
        length = HEAD_CHARACTERS_PER_TOKEN * surplus
        while length < len(text):
            tokens = self._count_once(text[:length])
            if tokens > surplus:
                return tokens
            length *= 4
        return self._count_once(text)

    def _count_once(self, text: str) -> int:
        if self._budget is not None:
            self._budget -= len(text)
            if self._budget < 0:
                raise _OverBudgetError
        return self._count_tokens(text)


def _window_length(capacity: int) -> int:
    return max(WINDOW_CHARACTERS, WINDOW_CHARACTERS_PER_TOKEN * capacity)


def _depth_of_brackets(window: str) -> int:
    return max(accumulate(1 if bracket in "[({" else -1 for bracket in _BRACKET.findall(window)), default=0)


def _window(text: str, start: int, length: int) -> str:
    """The window that begins here: it ends after a line or else a word, unless a word fills it."""
    end = start + length
    if end >= len(text):
        return text[start:]
    line_end = text.rfind("\n", end - length // 4, end) + 1
    word_end = line_end or next((at for at in range(end, start, -1) if text[at].isspace()), end)
    return text[start:word_end]


def _settled(found: Sequence[tuple[int, str]], length: int) -> int:
    """Number of pieces, at least one, to keep of a window that ends before the text does.

    The rest is cut again. It begins in the window's third quarter, at the piece with the widest boundary before it: the
    most empty lines, and the least indentation. A window that began inside a string or a fence would be misread.
    """
    later = [at for at in range(1, len(found)) if found[at][0] > length // 4]
    candidates = [at for at in later if length // 2 <= found[at][0] <= 3 * length // 4]
    if not candidates:
        return later[0] if later else len(found)
    return max(candidates, key=lambda at: (_gap(found, at), -_indentation(found[at][1]), at))


def _gap(found: Sequence[tuple[int, str]], at: int) -> int:
    """Characters of white space before a piece."""
    offset, piece = found[at - 1]
    return found[at][0] - offset - len(piece)


def _indentation(piece: str) -> int:
    return len(piece) - len(piece.lstrip())
