"""Write running text, lists, tables and code as Markdown, in one pass and in time linear to the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WHITESPACE = re.compile(r"[ \t\n\r\f]+")
_BACKTICKS = re.compile("`+")
_DEEPEST_INDENT = 10
"""Levels of lists and quotes that are indented, so that the indent of a line is bounded."""


_HEADINGS = {f"heading {level}": "#" * level + " " for level in range(1, 7)}
_LAYOUT = frozenset({"list", "item", "quote", "code", "table", "row", *_HEADINGS})
"""What no cell of a table of data has."""


class Break(IntEnum):
    """The space before the next text; of several in a row the largest counts."""

    NONE = 0
    SPACE = 1
    LINE = 2
    PARAGRAPH = 3


_SPACES: Mapping[str, Break] = {
    "space": Break.SPACE,
    "line": Break.LINE,
    "item": Break.LINE,
    "row": Break.LINE,
}
"""The space around an element; a paragraph around those of another kind."""


@dataclass
class _Prefix:
    """The start of lines: of the first one, and of those below it."""

    first: str
    rest: str
    used: bool = False


@dataclass
class _Row:
    """The row of a table whose cells are held back until it is known that each is one line."""

    before: Break
    cells: list[list[str]] = field(default_factory=list)
    in_cell: bool = False
    all_headings: bool = True

    def texts(self) -> list[str]:
        """The text of each cell."""
        return ["".join(cell) for cell in self.cells]


class MarkdownWriter:
    """Writes Markdown.

    Elements have a kind: ``block``, ``line`` (on lines of its own), ``space`` (between spaces), ``heading 1`` to
    ``heading 6``, ``list``, ``item``, ``quote``, ``code``, ``table``, ``row``, ``cell`` or ``heading cell``. Each that
    is opened must be closed. A row with a cell of more than one paragraph, or with lists or other tables in it, is
    layout: its cells become blocks.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._break = Break.NONE
        self._prefixes: list[_Prefix] = []
        self._numbers: list[int | None] = []  # of the next item of each open list; None where it has bullets
        self._code: list[str] = []
        self._code_depth = 0
        self._heading_depth = 0
        self._row: _Row | None = None
        self._rows_written = [0]  # of each open table

    def markdown(self) -> str:
        """Return what was written."""
        return "".join(self._parts).strip()

    def text(self, text: str) -> None:
        """Write text; white space is one space, but in code."""
        if self._code_depth:
            self._code.append(text)
            return
        words = _WHITESPACE.sub(" ", text)
        if words.startswith(" "):
            self.space(Break.SPACE)
        if inner := words.strip(" "):
            self._write(inner)
            if words.endswith(" "):
                self.space(Break.SPACE)

    def space(self, size: Break) -> None:
        """Set apart what comes next from what was written."""
        if self._code_depth:
            if size > Break.SPACE and self._code and not self._code[-1].endswith("\n"):
                self._code.append("\n")
            return
        if self._heading_depth:
            size = min(size, Break.SPACE)
        elif self._prefixes and not self._prefixes[-1].used:
            size = min(size, Break.LINE)
        self._break = max(self._break, size)

    def new_line(self) -> None:
        """Break the line; two line breaks end a paragraph."""
        if self._code_depth:
            self._code.append("\n")
        else:
            self.space(Break.LINE if self._break < Break.LINE else Break.PARAGRAPH)

    def open(self, kind: str, number: int | None = None) -> None:
        """Open an element; ``number`` is that of an item, or of a list's first item, which has none with bullets."""
        self.space(self._space_around(kind))
        if self._code_depth and kind != "code":
            return
        if self._row is not None and kind in _LAYOUT:
            self._give_up_row(self._row)
        if kind == "list":
            self._numbers.append(number)
        elif kind == "item":
            self._open_item(number)
        elif opening := self._OPENING.get(kind):
            opening(self)
        elif kind in _HEADINGS:
            self._prefixes.append(_Prefix(_HEADINGS[kind], ""))
            self._heading_depth += 1

    def close(self, kind: str) -> None:
        """Close an element."""
        if not self._code_depth or kind == "code":
            if closing := self._CLOSING.get(kind):
                closing(self)
            elif kind in _HEADINGS:
                self._close_prefix()
                self._heading_depth -= 1
        self.space(self._space_around(kind))

    def _space_around(self, kind: str) -> Break:
        return Break.LINE if kind == "list" and self._numbers else _SPACES.get(kind, Break.PARAGRAPH)

    def _write(self, text: str) -> None:
        row = self._row
        if row is not None:
            cell = row.cells[-1] if row.in_cell else []
            if row.in_cell and not (cell and self._break == Break.PARAGRAPH):
                cell += [" ", text] if cell and self._break else [text]
                self._break = Break.NONE
                return
            self._give_up_row(row)
        self._start()
        self._parts.append(text)

    def _start(self) -> None:
        """Write the space before the next text, and the start of its line."""
        if self._parts and self._break == Break.SPACE:
            self._parts.append(" ")
        elif self._break > Break.SPACE or not self._parts:
            if self._parts:
                self._parts.append("\n")
                if self._break == Break.PARAGRAPH:
                    self._parts.append(self._rest().rstrip() + "\n")
            indent = self._prefixes[:_DEEPEST_INDENT]
            self._parts += [prefix.rest if prefix.used else prefix.first for prefix in indent]
        for prefix in reversed(self._prefixes):
            if prefix.used:  # and so are those around it
                break
            prefix.used = True
        self._break = Break.NONE

    def _rest(self) -> str:
        """The start of a line below the first one of every open element; unused ones have no line yet."""
        return "".join(prefix.rest for prefix in self._prefixes[:_DEEPEST_INDENT] if prefix.used)

    def _open_item(self, number: int | None) -> None:
        marker = "* "
        if self._numbers and (following := self._numbers[-1]) is not None:
            value = following if number is None else number
            self._numbers[-1] = value + 1
            marker = f"{value}. "
        self._prefixes.append(_Prefix(marker, " " * len(marker)))

    def _open_quote(self) -> None:
        self._prefixes.append(_Prefix("> ", "> "))

    def _close_prefix(self) -> None:
        self._prefixes.pop()

    def _close_list(self) -> None:
        self._numbers.pop()

    def _open_code(self) -> None:
        if not self._heading_depth:
            self._code_depth += 1

    def _close_code(self) -> None:
        if self._heading_depth:
            return
        self._code_depth -= 1
        if self._code_depth:
            return
        content, self._code = "".join(self._code).rstrip().strip("\n"), []
        if content:
            fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(content)), default=0))
            self._start()
            self._parts.append(f"\n{self._rest()}".join([fence, *content.split("\n"), fence]))

    def _open_table(self) -> None:
        self._rows_written.append(0)

    def _close_table(self) -> None:
        self._rows_written.pop()

    def _open_row(self) -> None:
        self._row = _Row(self._break)

    def _open_cell(self) -> None:
        if self._row is not None:
            self._row.cells.append([])
            self._row.in_cell = True
            self._row.all_headings = False
            self._break = Break.NONE

    def _open_heading_cell(self) -> None:
        are_headings = self._row is not None and self._row.all_headings
        self._open_cell()
        if self._row is not None:
            self._row.all_headings = are_headings

    def _close_cell(self) -> None:
        if self._row is not None:
            self._row.in_cell = False

    def _close_row(self) -> None:
        row, self._row = self._row, None
        if row is None:
            return
        self._break = row.before
        texts = row.texts()
        if not any(texts):
            return
        self._start()
        self._parts.append(f"| {' | '.join(texts)} |")
        if row.all_headings and not self._rows_written[-1]:
            self._parts.append(f"\n{self._rest()}|{' --- |' * len(texts)}")
        self._rows_written[-1] += 1

    def _give_up_row(self, row: _Row) -> None:
        """Write the cells so far as blocks; the row's other cells will be blocks."""
        following = self._break
        self._row = None
        self._break = row.before
        for text in filter(None, row.texts()):
            self.space(Break.PARAGRAPH)
            self._start()
            self._parts.append(text)
        is_inside = row.in_cell and row.cells[-1]
        self.space(following if is_inside else Break.PARAGRAPH)

    _OPENING: ClassVar[Mapping[str, Callable[[MarkdownWriter], None]]] = {
        "quote": _open_quote,
        "code": _open_code,
        "table": _open_table,
        "row": _open_row,
        "cell": _open_cell,
        "heading cell": _open_heading_cell,
    }
    _CLOSING: ClassVar[Mapping[str, Callable[[MarkdownWriter], None]]] = {
        "list": _close_list,
        "item": _close_prefix,
        "quote": _close_prefix,
        "code": _close_code,
        "table": _close_table,
        "row": _close_row,
        "cell": _close_cell,
        "heading cell": _close_cell,
    }
