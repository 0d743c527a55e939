"""Texts to measure a machine's speed with, which depends on their lengths and not on their words."""

from __future__ import annotations

from itertools import cycle, islice

_TEXT = (
    "the river rose again after three days of rain and people in the lower streets carried what they could upstairs "
    "while the council asked for pumps from two towns nearby which came late but worked all night until water fell"
)
_SPECIAL_TOKENS = 2


def sample_texts(tokens_per_text: float, count: int) -> list[str]:
    """Make texts of common words, about one token each; lengths are spread evenly from 0.5 to 1.5 times the mean."""
    words = _TEXT.split()
    lengths = (max(1, round(tokens_per_text * (0.5 + index / count)) - _SPECIAL_TOKENS) for index in range(count))
    starts = (index % len(words) for index in range(count))
    places = zip(starts, lengths, strict=True)
    return [" ".join(islice(cycle(words), start, start + length)) for start, length in places]
