"""Lines of Markdown by what they are: headings, openers of fences, heads of tables, lists of links."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["blank", "heading", "fence", "table head", "links", "text"]
"""The kind of a line. ``fence`` opens a code block; its closing line and the code are ``text``."""

LEADING = frozenset({"heading", "fence", "table head", "links"})
"""Kinds of lines that mean nothing without what follows them."""

FEWEST_LINKS = 3
"""Lines in a row that hold nothing but a link, from which on they are a list of links."""

_MOST_INDENT = 3  # more spaces before a heading make it code
_MOST_MARKS = 6
_FENCE = re.compile(r"(`{3,})[^`\n]*|(~{3,})[^\n]*")
_LINK = re.compile(r"(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?\[[^\]\n]{1,300}\]\([^)\s]{1,2000}\)")
_ITEM = re.compile(r"[-*+>|][ \t]|\d{1,9}[.)][ \t]|>|\|")
_BEFORE_FENCE = re.compile(r"[ \t]*(?:>[ \t]?)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?")


class Line(NamedTuple):
    """A line of Markdown.

    Attributes:
        start: Position of its first character in the text.
        end: Position behind its last character, the line break not included.
        kind: What it is. Both lines of a heading that is underlined are ``heading``.
        level: Of a heading, from 1; 0 for the line under one, and for what is none.
        heading: The heading's text, without its marks.
    """

    start: int
    end: int
    kind: Kind
    level: int = 0
    heading: str = ""


def markdown_lines(text: str) -> list[Line]:
    """Return the lines of a text, in time proportional to its length."""
    lines: list[Line] = []
    fence = ""
    links = start = 0
    for content in text.split("\n"):
        end = start + len(content)
        fence, line = _read(content, start, end, fence)
        lines.append(line)
        if not fence and line.kind == "text":
            _look_back(text, lines, content)
        links = links + 1 if line.kind == "text" and not fence and _LINK.fullmatch(content.strip()) else 0
        if links >= FEWEST_LINKS:
            some = links if links == FEWEST_LINKS else 1  # those before are marked
            lines[-some:] = [one._replace(kind="links") for one in lines[-some:]]
        start = end + 1
    return lines


def _read(content: str, start: int, end: int, fence: str) -> tuple[str, Line]:
    """Return the fence that is open behind a line, empty for none, and the line as it is by itself."""
    stripped = content.strip()
    if fence:
        closing = stripped.lstrip("> \t")
        closes = len(closing) >= len(fence) and set(closing) == {fence[0]}
        return "" if closes else fence, Line(start, end, "text" if stripped else "blank")
    if not stripped:
        return "", Line(start, end, "blank")
    if opened := _FENCE.fullmatch(content[_BEFORE_FENCE.match(content).end() :]):  # type: ignore[union-attr] # it matches nothing too
        return opened[1] or opened[2], Line(start, end, "fence")
    if found := _heading(content):
        return "", Line(start, end, "heading", *found)
    return "", Line(start, end, "text")


def _look_back(text: str, lines: list[Line], content: str) -> None:
    """Mark the line before an underline as a heading, and the one before a delimiter row as a table's head."""
    if len(lines) < 2 or lines[-2].kind != "text":  # noqa: PLR2004 - a line and the one under it
        return
    above = text[lines[-2].start : lines[-2].end]
    stripped = content.strip()
    if "|" in above and "|" in stripped and "-" in stripped and set(stripped.lstrip("> ")) <= set("|:- \t"):
        lines[-2:] = [one._replace(kind="table head") for one in lines[-2:]]
    elif level := _underline(content):
        is_one_line = len(lines) == 2 or lines[-3].kind in {"blank", "heading"}  # noqa: PLR2004 - nothing before it
        if is_one_line and not _ITEM.match(above.lstrip()) and not above.lstrip().startswith(("```", "~~~")):
            lines[-2] = lines[-2]._replace(kind="heading", level=level, heading=above.strip())
            lines[-1] = lines[-1]._replace(kind="heading")


def _heading(content: str) -> tuple[int, str] | None:
    """Level and text of a heading with marks before it; None for another line."""
    marked = content.lstrip(" ")
    rest = marked.lstrip("#")
    level = len(marked) - len(rest)
    if len(content) - len(marked) > _MOST_INDENT or not 1 <= level <= _MOST_MARKS or (rest and rest[0] not in " \t"):
        return None
    heading = rest.strip()
    bare = heading.rstrip("#")  # a heading may be closed by them, behind white space
    return level, bare.strip() if not bare or bare[-1] in " \t" else heading


def _underline(content: str) -> int:
    """Level of the heading that a line underlines; 0 for another line. A single mark may be a list's."""
    marks = content.strip()
    if len(marks) < 2 or len(content) - len(content.lstrip(" ")) > _MOST_INDENT:  # noqa: PLR2004 - two marks
        return 0
    return {"=": 1, "-": 2}.get(marks[0], 0) if set(marks) == {marks[0]} else 0
