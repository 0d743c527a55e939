"""Texts to measure a machine with: their words do not matter to its speed, their lengths do."""

from __future__ import annotations

from itertools import cycle, islice

_TEXT = (
    "the river rose again after three days of rain and people in the lower streets carried what they could upstairs "
    "while the council asked for pumps from two towns nearby which came late but worked all night until water fell"
)
_SPECIAL_TOKENS = 2


def sample_texts(tokens_per_text: float, count: int) -> list[str]:
    """Texts of common words, about one token each, from half to one and a half of the mean length, evenly spread."""
    words = _TEXT.split()
    lengths = (max(1, round(tokens_per_text * (0.5 + index / count)) - _SPECIAL_TOKENS) for index in range(count))
    starts = (index % len(words) for index in range(count))
    places = zip(starts, lengths, strict=True)
    return [" ".join(islice(cycle(words), start, start + length)) for start, length in places]
