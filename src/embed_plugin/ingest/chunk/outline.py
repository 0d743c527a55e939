"""The title of a text, and the headings or definitions that each piece of it stands under."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from embed_plugin.ingest.chunk.leads import CodeLeads, MarkdownLeads, NoLeads
from embed_plugin.ingest.chunk.markdown_lines import markdown_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.chunk.leads import Leads

LONGEST_HEADING = 200
"""Characters of a heading that are kept: it is stored with every chunk under it."""

_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_ANCHOR = re.compile(r"[ \t]*\{#[\w.:-]+\}$")
_DEFINITION = re.compile(r"^([ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_DECORATOR_OR_BLANK = re.compile(r"[ \t]*(?:[@#][^\n]*)?\n")
_TRIPLE = re.compile(r"\"\"\"|'''")
_LONGEST_HEADER = 4_000


class Outline(Protocol):
    """The title of a text, and the path of each piece.

    Attributes:
        title: The first heading of the first level; empty if there is none.
        leads: Finds the leading end of a piece.
    """

    title: str
    leads: Leads

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """The headings that a piece stands under, the outermost first; pieces come in order."""


def outline_of(text: str, syntax: str) -> Outline:
    """Read the outline of a text, in time proportional to its length."""
    if syntax == "markdown":
        return MarkdownOutline(text)
    if syntax == "text":
        return NoOutline()
    return PythonOutline(text) if syntax == "python" else NoOutline(CodeLeads(text, syntax))


class NoOutline:
    """No title and no headings, as of plain text.

    Args:
        leads: Finds the leading end of a piece; by default there is none.
    """

    def __init__(self, leads: Leads | None = None) -> None:
        self.title = ""
        self.leads: Leads = leads or NoLeads()

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """No headings."""
        del start, end
        return ()


class _Heading(NamedTuple):
    """A heading or a definition.

    Attributes:
        start: Position of its first character.
        depth: Its level, or the indentation of a definition; it ends what is as deep or deeper.
        text: Its text or name.
    """

    start: int
    depth: int
    text: str


class _Open:
    """Keeps the headings that are open while positions go up."""

    def __init__(self, headings: Sequence[_Heading]) -> None:
        self._headings = headings
        self._next = 0
        self._last = 0
        self._open: list[_Heading] = []

    def at(self, position: int) -> Sequence[_Heading]:
        """The headings that are open at a position, the outermost first; a position before the last one begins anew."""
        if position < self._last:
            self._next, self._open = 0, []
        self._last = position
        while self._next < len(self._headings) and self._headings[self._next].start <= position:
            heading = self._headings[self._next]
            while self._open and self._open[-1].depth >= heading.depth:
                self._open.pop()
            self._open.append(heading)
            self._next += 1
        return self._open


class MarkdownOutline:
    """The headings of Markdown.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        lines = markdown_lines(text)
        self._leads = MarkdownLeads(lines)
        self.leads: Leads = self._leads
        headings = [_Heading(line.start, line.level, _plain(line.heading)) for line in lines if line.level]
        self.title = next((one.text for one in headings if one.depth == 1), "")
        self._open = _Open(headings)

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """The headings over a piece's first line that is none itself, the outermost first."""
        return tuple(one.text for one in self._open.at(self._leads.content(start, end)) if one.text)


class PythonOutline:
    """The classes and functions of Python, by the indentation of their first lines.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self.title = ""
        self.leads: Leads = CodeLeads(text, "python")
        self._text = text
        self._definitions = _definitions(text)
        self._starts = {one.start for one in self._definitions}
        self._open = _Open(self._definitions)

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """The names of what a piece's first line is in, or defines."""
        position = self._body(self._text.rfind("\n", 0, start) + 1, end)
        indent = _indent(self._text, position)
        return tuple(one.text for one in self._open.at(position) if one.depth < indent or one.start == position)

    def _body(self, position: int, end: int) -> int:
        """The first line of a piece that is no decorator, comment or signature; its last signature if all are."""
        last = position
        while position < end:
            if passed := _DECORATOR_OR_BLANK.match(self._text, position, end):
                position = passed.end()
            elif position in self._starts:
                last, position = position, _behind_header(self._text, position)
            else:
                return position
        return last


def _definitions(text: str) -> list[_Heading]:
    """The definitions of a module, those in strings of several lines left out."""
    quoted = [found.start() for found in _TRIPLE.finditer(text)]
    found: list[_Heading] = []
    before = 0
    for one in _DEFINITION.finditer(text):
        while before < len(quoted) and quoted[before] < one.start():
            before += 1
        if before % 2 == 0:
            found.append(_Heading(one.start(), len(one[1].expandtabs()), one[2][:LONGEST_HEADING]))
    return found


def _behind_header(text: str, position: int) -> int:
    """The position of the line behind a signature, which ends with the first line whose brackets are closed."""
    depth = 0
    stop = min(len(text), position + _LONGEST_HEADER)
    while position < stop:
        end = text.find("\n", position)
        line = text[position : end if end >= 0 else len(text)]
        depth += sum(map(line.count, "([")) - sum(map(line.count, ")]"))
        position += len(line) + 1
        if depth <= 0:
            break
    return position


def _indent(text: str, position: int) -> int:
    line = text[position : position + LONGEST_HEADING].expandtabs()
    return len(line) - len(line.lstrip(" "))


def _plain(heading: str) -> str:
    """A heading without links and anchors, on one line and not too long."""
    return " ".join(_ANCHOR.sub("", _LINK.sub(r"\1", heading[: 4 * LONGEST_HEADING])).split())[:LONGEST_HEADING]
