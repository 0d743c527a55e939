"""The lines and characters of a record's source that a piece of its text stands for."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.records import LeftOut


class Place(NamedTuple):
    """The place of a piece.

    Attributes:
        start: Position of its first character in the source, where a line break is one character; in the record's text
            if the source is not known.
        end: Position behind its last character.
        lines: Its first and its last line in the source, from 1; None if the source is not known.
    """

    start: int
    end: int
    lines: tuple[int, int] | None


class Places:
    """Finds the places of pieces.

    Args:
        text: The record's text.
        left_out: The parts of the source that are not in the text; None if the text is not made of lines of the source.
    """

    def __init__(self, text: str, left_out: Sequence[LeftOut] | None) -> None:
        self._text = text
        self._is_known = left_out is not None
        parts = left_out or ()
        self._at = [part.at for part in parts]
        self._characters = [0, *accumulate(part.characters for part in parts)]
        self._missing_lines = [0, *accumulate(part.lines for part in parts)]
        self._breaks = [found.start() for found in re.finditer("\n", text)] if self._is_known else []

    def of(self, start: int, piece: str) -> Place:
        """The place of a piece, by the position of its first character in the text."""
        if not self._is_known:
            return Place(start, start + len(piece), None)
        first = start + len(piece) - len(piece.lstrip())
        last = max(first, start + len(piece.rstrip()) - 1)
        return Place(
            self._in_source(start),
            self._in_source(start + max(0, len(piece) - 1)) + min(1, len(piece)),
            (self._line(first), self._line(last)),
        )

    def _in_source(self, position: int) -> int:
        return position + self._characters[bisect_right(self._at, position)]

    def _line(self, position: int) -> int:
        return 1 + bisect_right(self._breaks, position - 1) + self._missing_lines[bisect_right(self._at, position)]
