"""Estimate the tokens, time and bytes of the work that a dry run found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.encode.throughput import measure_tokens_per_second
from embed_plugin.ingest.records import canonical_json
from embed_plugin.ingest.sampling import Reservoir

if TYPE_CHECKING:
    from embed_plugin.ingest.records import Chunk
    from embed_plugin.ingest.window.compare import Change
    from embed_plugin.protocols import TextEncoder

SAMPLE_CHUNKS = 256
CALIBRATION_SECONDS = 2.0
_BYTES_OF_A_NUMBER = 4


@dataclass(frozen=True)
class Estimate:
    """The cost of embedding and storing what is new.

    Attributes:
        tokens: Tokens to embed.
        tokens_per_second: The rate of this machine for chunks like these, measured for at most two seconds; None if
            there is nothing to embed.
        seconds: Time to embed them at that rate; storing takes place at the same time.
        vector_bytes: The vectors as float32.
        payload_bytes: Texts and metadata as UTF-8 JSON, without what the store adds.
    """

    tokens: int
    tokens_per_second: float | None
    seconds: float
    vector_bytes: int
    payload_bytes: int


class Estimator:
    """Collects the chunks that a dry run would store; :meth:`add` is a callback for :attr:`Observer.on_change`."""

    def __init__(self) -> None:
        self._chunks = 0
        self._tokens = 0
        self._payload_bytes = 0
        self._sample: Reservoir[Chunk] = Reservoir(SAMPLE_CHUNKS)

    def add(self, change: Change) -> None:
        """Count the chunks that a record would have stored, and keep an even sample of those to embed."""
        for chunk in change.embed:
            self._tokens += chunk.tokens
            self._sample.add(chunk)
        for chunk in (*change.embed, *(one.chunk for one in change.reuse)):
            self._chunks += 1
            self._payload_bytes += len(chunk.text.encode()) + len(canonical_json(chunk.metadata).encode())

    def estimate(self, encoder: TextEncoder) -> Estimate:
        """Embed the sample, for at most two seconds, and extrapolate from its rate."""
        rate = None
        if self._sample.items:
            texts, tokens = zip(*((chunk.text, chunk.tokens) for chunk in self._sample.items), strict=True)
            rate = measure_tokens_per_second(encoder, texts, tokens, seconds=CALIBRATION_SECONDS)
        vector_bytes = self._chunks * encoder.dimension * _BYTES_OF_A_NUMBER
        return Estimate(self._tokens, rate, self._tokens / rate if rate else 0.0, vector_bytes, self._payload_bytes)
