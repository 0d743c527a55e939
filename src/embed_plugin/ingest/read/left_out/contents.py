"""Find tables of contents: lists of links to the headings of their own page."""

from __future__ import annotations

import re

FEWEST_ITEMS = 3
"""Items from which on a list of links is a table of contents."""

_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[^\]\n]{0,300}\]\(#[^)\s]{0,500}\)[ \t]*")


def contents_parts(text: str, start: int) -> list[tuple[int, int]]:
    """Begin and end of each table of contents from a position on, in order.

    There is none in a text that holds nothing else but headings.
    """
    parts: list[tuple[int, int]] = []
    first = at = start
    items, others = 0, False
    for line in text[start:].split("\n"):
        end = at + len(line)
        if _ITEM.fullmatch(line):
            first = first if items else at
            items += 1
            if items >= FEWEST_ITEMS:
                parts[-1:] = [(first, end)] if items > FEWEST_ITEMS else [*parts[-1:], (first, end)]
        else:
            items = 0
            others = others or bool(line.strip() and not line.lstrip().startswith("#"))
        at = end + 1
    return parts if others else []
