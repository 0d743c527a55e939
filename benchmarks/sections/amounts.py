"""The amounts that are measured: texts, rounds, queries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Amounts:
    """The amounts that are measured; the defaults are for figures, ``QUICK`` is for a look.

    Attributes:
        short_texts: Texts of workload A.
        mixed_texts: Texts of workload B.
        tuned_on: The first texts of a workload, on which settings are tried.
        rounds: Times that everyone encodes each workload, after one that warms up, and that queries are asked.
        queries: Repeats of the one query, in all rounds together.
        starts: Fresh processes of each contender.
        tokens_of_length: Tokens in all of each point of the curve over text length.
        counts: Numbers of texts whose cost per token is compared.
        memory_texts: Texts of the stream whose memory is watched.
        quality: Whether SciFact is searched, where it is.
    """

    short_texts: int = 500
    mixed_texts: int = 150
    tuned_on: int = 64
    rounds: int = 4
    queries: int = 400
    starts: int = 2
    tokens_of_length: int = 8192
    counts: tuple[int, ...] = (100, 1000, 10_000)
    memory_texts: int = 100_000
    quality: bool = True


QUICK = Amounts(
    short_texts=96,
    mixed_texts=32,
    tuned_on=16,
    rounds=2,
    queries=30,
    starts=1,
    tokens_of_length=1024,
    counts=(100, 1000),
    memory_texts=5000,
    quality=False,
)
