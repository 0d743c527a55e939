"""How many tokens a second an encoder gets done, measured in seconds."""

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
    """Encode as many of the texts as time allows, in calls that grow, and take the rate of the last and largest.

    So it keeps all workers of a large machine busy, and ends in time on a slow one.

    Args:
        encoder: What is measured.
        texts: One at least; the first is encoded once more before, for the first run of an encoder is slower.
        tokens: The tokens of each.
        seconds: Most time to take; the first call is made however long it takes.
        on_progress: Told, after each call, the seconds that have gone by and the rate of that call.
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
    """Cut ``range(count)`` into parts of 1, 2, 4, ...; the last takes what would be too short for a part."""
    first, size = 0, 1
    while first < count:
        end = first + size if count - first >= 3 * size else count
        yield first, end
        first, size = end, 2 * size
