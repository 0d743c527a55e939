"""Measure the tokens per second of an encoder, in a few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embed_plugin.protocols import TextEncoder


def measure_tokens_per_second(
    encoder: TextEncoder,
    texts: Sequence[str],
    tokens: Sequence[int],
    *,
    seconds: float,
    on_progress: Callable[[float, float], None] | None = None,
) -> float:
    """Encode as many of the texts as time allows, in growing calls, and return the rate of the last and largest.

    The large calls keep all workers of a large machine busy; the small ones end in time on a slow machine.

    Args:
        encoder: The encoder to measure.
        texts: At least one; the first is also encoded before the measurement, as an encoder's first run is slower.
        tokens: The token count of each text.
        seconds: Time limit; the first call is made however long it takes.
        on_progress: Called after each call with the seconds since the start and the rate of that call.
    """
    encoder.encode_documents(texts[:1])
    started = ended = time.perf_counter()
    seconds_a_text = rate = 0.0
    for first, end in _growing_parts(len(texts)):
        if ended - started + seconds_a_text * (end - first) > seconds:
            break
        begun = time.perf_counter()
        encoder.encode_documents(texts[first:end])
        ended = time.perf_counter()
        seconds_a_text = (ended - begun) / (end - first)
        rate = sum(tokens[first:end]) / (ended - begun)
        if on_progress:
            on_progress(ended - started, rate)
    return rate


def _growing_parts(count: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(count)`` into parts of 1, 2, 4, ...; the last one includes a rest too short for a part of its own."""
    first, size = 0, 1
    while first < count:
        end = first + size if count - first >= 3 * size else count
        yield first, end
        first, size = end, 2 * size
