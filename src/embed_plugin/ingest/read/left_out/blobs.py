"""Find data URIs and base64: bytes of images and other files, written into a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST = 100
"""Characters from which on a data URI or a run of base64 is left out: a shorter one may be an example."""

_DATA_URI = re.compile(
    r"data:(?:[a-z]{1,20}/[\w.+-]{1,80})?(?:;[\w.+=-]{1,80}){0,5},[^\s)\"'<>\]`]{60,}", re.ASCII | re.IGNORECASE
)
_REFERENCE = re.compile(r"[ ]{0,3}\[[^\]\n]{1,200}\]:[ \t]*<?$")
_RUN = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
_LINES = re.compile(r"^[ \t>]{0,40}[A-Za-z0-9+/]{60,}\n(?:[ \t>]{0,40}[A-Za-z0-9+/]{60,}\n?)+", re.MULTILINE)
_LAST_LINE = re.compile(r"[ \t>]{0,40}[A-Za-z0-9+/]{1,80}={0,2}(?=\s|$)", re.ASCII)
_MIXED = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))


def blob_parts(text: str, start: int) -> list[tuple[int, int]]:
    """Begin and end of the data URIs and the base64 in a text from a position on, in order.

    A data URI has at least 100 characters. Base64 is a run of at least 100 of its characters, or lines in a row of at
    least 60 each, with small and capital letters and digits: a number in hexadecimal, a path or a word is none. Of a
    line of Markdown that only defines a link to a data URI the whole line goes.
    """
    parts = [*_uris(text, start), *_lines(text, start), *_runs(text, start)]
    found: list[tuple[int, int]] = []
    for begin, end in sorted(parts, key=lambda part: (part[0], -part[1])):
        if not found or begin >= found[-1][1]:
            found.append((begin, end))
    return found


def _uris(text: str, start: int) -> Iterator[tuple[int, int]]:
    for one in _DATA_URI.finditer(text, start):
        if len(one[0]) < SHORTEST:
            continue
        begin, end = one.span()
        line = text.rfind("\n", max(start, begin - 300), begin) + 1
        is_definition = (line > 0 or begin < SHORTEST) and _REFERENCE.fullmatch(text, line, begin)
        if is_definition and text[end : end + 1] in {"", "\n", ">"}:
            end += text[end : end + 1] == ">"
            begin = line if text[end : end + 1] in {"", "\n"} else begin
        yield begin, end


def _runs(text: str, start: int) -> Iterator[tuple[int, int]]:
    return (one.span() for one in _RUN.finditer(text, start) if _is_mixed(one[0]))


def _lines(text: str, start: int) -> Iterator[tuple[int, int]]:
    for one in _LINES.finditer(text, start):
        if not _is_mixed(one[0]):
            continue
        last = _LAST_LINE.match(text, one.end())
        is_more = last is not None and (last[0].endswith("=") or _is_mixed(last[0]))
        yield one.start(), last.end() if last is not None and is_more else one.end() - one[0].endswith("\n")


def _is_mixed(run: str) -> bool:
    return all(kind.search(run) for kind in _MIXED)
