"""Move the ends of pieces, so that none holds only what leads to the next one, or a few words.

A splitter fills each piece up to a boundary. So a heading may end a piece whose section is in the next one, and the
last bracket of a function may be a piece by itself. Here a leading end moves to the piece behind it, and a tiny piece
is joined to a neighbour; where that has no room, it is cut once more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.ingest.chunk.windows import WINDOW_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.chunk.leads import Leads

TINY_WORDS = 4
"""Words of a piece that is joined to a neighbour, if they are short too: one of a language without spaces is not."""

TINY_CHARACTERS = 200

WIDEST_GAP = 1_000
"""White space between two pieces beyond which they are not joined."""


class Span(NamedTuple):
    """A piece of a text: the positions of its first character, and behind its last one."""

    start: int
    end: int


class Joints:
    """Joins the pieces of one text.

    Args:
        text: The text.
        leads: Finds the leading end of a piece.
        count: Counts the tokens of a part of the text.
        cut: Cuts a part of the text into pieces of a maximum number of tokens, each with its position in the part.
        capacity: Maximum tokens of a piece.
    """

    def __init__(
        self,
        text: str,
        leads: Leads,
        *,
        count: Callable[[str], int],
        cut: Callable[[str, int], Sequence[tuple[int, str]]],
        capacity: int,
    ) -> None:
        self._text = text
        self._leads = leads
        self._count = count
        self._cut = cut
        self._capacity = capacity

    def join(self, pieces: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return pieces with better ends; they are in order, and only white space is between them."""
        spans = [Span(start, start + len(piece)) for start, piece in pieces]
        spans = self._without_tiny(self._without_leads(spans))
        return [(span.start, self._text[span.start : span.end]) for span in spans]

    def _without_leads(self, spans: Sequence[Span]) -> list[Span]:
        """Move the leading end of each piece to the one behind it."""
        waiting, done = deque(spans), list[Span]()
        while waiting:
            span = waiting.popleft()
            begin = self._leads.begin(*span)
            if begin == span.end or not waiting:
                done.append(span)
                continue
            joined = self._led(Span(begin, span.end), waiting[0])
            if not joined:
                done.append(span)
                continue
            waiting.popleft()
            waiting.extendleft(reversed(joined))
            if begin > span.start:
                done.append(self._trimmed(span.start, begin))
        return done

    def _led(self, lead: Span, following: Span) -> list[Span]:
        """The pieces of a lead and what follows it, the first of which has both; empty if there is no room for that."""
        whole = Span(lead.start, following.end)
        if following.start <= lead.start:  # it repeats the lead
            return [following]
        if self._fits(whole, gap=following.start - lead.end):
            return [whole]
        room = self._capacity - self._count(self._text[lead.start : following.start])
        if 2 * room < self._capacity:
            return []
        begin = max(following.start, lead.end)
        parts = self._parts(Span(begin, following.end), room)
        first = Span(lead.start, parts[0].end)
        return [first, *self._rest(parts)] if self._fits(first) else []

    def _rest(self, parts: Sequence[Span]) -> list[Span]:
        """All parts but the first one, as one piece if that fits."""
        if len(parts) < 2:  # noqa: PLR2004 - there is no rest
            return []
        whole = Span(parts[1].start, parts[-1].end)
        return [whole] if self._fits(whole) else list(parts[1:])

    def _without_tiny(self, spans: Sequence[Span]) -> list[Span]:
        """Join each tiny or leading piece to the one before it, or else to the one behind it."""
        done: list[Span] = []
        waiting = deque(spans)
        while waiting:
            span = waiting.popleft()
            if not self._is_tiny(span):
                done.append(span)
            elif done and self._fits(whole := Span(done[-1].start, span.end), gap=span.start - done[-1].end):
                done[-1] = whole
            elif waiting and self._fits(whole := Span(span.start, waiting[0].end), gap=waiting[0].start - span.end):
                waiting[0] = whole
            elif done and (pair := self._borrowed(done[-1], span)):
                done[-1:] = pair
            elif waiting and (pair := self._lent(span, waiting[0])):
                done.append(pair[0])
                waiting[0] = pair[1]
            else:
                done.append(span)
        return done

    def _borrowed(self, before: Span, tiny: Span) -> list[Span]:
        """The two pieces, the second one with the end of the first; empty if that cannot be."""
        parts = self._parts(before, max(1, self._count(self._text[before.start : before.end]) // 2))
        if len(parts) < 2 or tiny.start - before.end > WIDEST_GAP:  # noqa: PLR2004 - it has no end of its own
            return []
        begin = self._leads.begin(before.start, parts[-2].end)
        start = parts[-1].start if begin == parts[-2].end else begin
        shorter, longer = self._trimmed(before.start, start), Span(start, tiny.end)
        is_better = start > before.start and not self._is_tiny(shorter) and self._fits(longer)
        return [shorter, longer] if is_better else []

    def _lent(self, tiny: Span, following: Span) -> list[Span]:
        """The two pieces, the first one with the beginning of the second; empty if that cannot be."""
        parts = self._parts(following, max(1, self._count(self._text[following.start : following.end]) // 2))
        if len(parts) < 2 or following.start - tiny.end > WIDEST_GAP:  # noqa: PLR2004 - it has no beginning of its own
            return []
        longer, shorter = Span(tiny.start, parts[0].end), Span(parts[1].start, following.end)
        is_better = self._leads.begin(*longer) == longer.end and not self._is_tiny(shorter)
        return [longer, shorter] if is_better and self._fits(longer) and self._fits(shorter) else []

    def _parts(self, span: Span, capacity: int) -> list[Span]:
        found = self._cut(self._text[span.start : span.end], capacity)
        return [Span(span.start + start, span.start + start + len(part)) for start, part in found]

    def _is_tiny(self, span: Span) -> bool:
        if self._leads.begin(*span) == span.start:
            return True
        return span.end - span.start <= TINY_CHARACTERS and len(self._text[span.start : span.end].split()) <= TINY_WORDS

    def _fits(self, span: Span, *, gap: int = 0) -> bool:
        is_short = gap <= WIDEST_GAP and span.end - span.start <= WINDOW_CHARACTERS
        return is_short and self._count(self._text[span.start : span.end]) <= self._capacity

    def _trimmed(self, start: int, end: int) -> Span:
        return Span(start, start + len(self._text[start:end].rstrip()))
