"""What the work that a dry run found would cost: tokens, time and bytes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.encode.throughput import measure_tokens_per_second
from embed_plugin.ingest.records import canonical_json

if TYPE_CHECKING:
    from embed_plugin.ingest.records import Chunk
    from embed_plugin.ingest.window.compare import Change
    from embed_plugin.protocols import TextEncoder

SAMPLE_CHUNKS = 256
CALIBRATION_SECONDS = 2.0
_BYTES_OF_A_NUMBER = 4


@dataclass(frozen=True)
class Estimate:
    """What it would take to embed and store what is new.

    Attributes:
        tokens: Tokens to embed.
        tokens_per_second: What this machine embeds of chunks like these, measured for two seconds at the most; None
            where there is nothing to embed.
        seconds: Time to embed them at that rate; storing happens beside it.
        vector_bytes: The vectors as float32.
        payload_bytes: Texts and metadata as UTF-8 JSON, without what the store adds.
    """

    tokens: int
    tokens_per_second: float | None
    seconds: float
    vector_bytes: int
    payload_bytes: int


class Estimator:
    """Gathers what a dry run would embed; :meth:`add` is for :attr:`Observer.on_change`."""

    def __init__(self) -> None:
        self._chunks = 0
        self._tokens = 0
        self._payload_bytes = 0
        self._sample: list[Chunk] = []
        self._random = random.Random(0)  # noqa: S311 - a sample, the same in every run

    def add(self, change: Change) -> None:
        """Count what a record would cost, and keep an even sample of all chunks (Vitter's algorithm R)."""
        for chunk in change.embed:
            self._chunks += 1
            self._tokens += chunk.tokens
            self._payload_bytes += len(chunk.text.encode()) + len(canonical_json(chunk.metadata).encode())
            if len(self._sample) < SAMPLE_CHUNKS:
                self._sample.append(chunk)
            elif (at := self._random.randrange(self._chunks)) < SAMPLE_CHUNKS:
                self._sample[at] = chunk

    def estimate(self, encoder: TextEncoder) -> Estimate:
        """Embed the sample, for two seconds at the most, and reckon from its rate."""
        rate = None
        if self._sample:
            texts, tokens = zip(*((chunk.text, chunk.tokens) for chunk in self._sample), strict=True)
            rate = measure_tokens_per_second(encoder, texts, tokens, seconds=CALIBRATION_SECONDS)
        vector_bytes = self._chunks * encoder.dimension * _BYTES_OF_A_NUMBER
        return Estimate(self._tokens, rate, self._tokens / rate if rate else 0.0, vector_bytes, self._payload_bytes)
