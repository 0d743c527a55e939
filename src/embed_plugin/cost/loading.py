"""What it takes to embed chunks and bring them into a collection once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embed_plugin.cost.amounts import require_amounts
from embed_plugin.cost.storage import BYTES_OF_A_LEDGER

CHUNKS_A_REQUEST = 256
LOOKUPS_A_REQUEST = 1024
GRPC_BYTES_OF_A_NUMBER = 4
HTTP_BYTES_OF_A_NUMBER = 21
"""A float32 as JSON, comma included (``benchmarks/run/upsert_rates.py``)."""


@dataclass(frozen=True)
class Load:
    """The first run of an ingest.

    Attributes:
        chunks: How many.
        tokens_per_chunk: Their mean length.
        text_bytes: The text of each as UTF-8.
        dimension: Numbers of a vector.
    """

    chunks: float
    tokens_per_chunk: float
    text_bytes: float
    dimension: int

    def __post_init__(self) -> None:
        require_amounts(
            chunks=self.chunks,
            tokens_per_chunk=self.tokens_per_chunk,
            text_bytes=self.text_bytes,
            dimension=self.dimension,
        )

    def hours(self, tokens_per_second: float) -> float:
        """To embed them: ``chunks * tokens_per_chunk / tokens_per_second / 3600``."""
        return self.chunks * self.tokens_per_chunk / tokens_per_second / 3600

    def machines_for(self, hours: float, *, tokens_per_second: float) -> int:
        """Machines of this speed, all of it, that embed them in so many hours."""
        return math.ceil(round(self.hours(tokens_per_second) / hours, 9))

    @property
    def grpc_bytes(self) -> float:
        """On their way to a server by gRPC."""
        return self.chunks * (GRPC_BYTES_OF_A_NUMBER * self.dimension + self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def http_bytes(self) -> float:
        """On their way to a server by HTTP."""
        return self.chunks * (HTTP_BYTES_OF_A_NUMBER * self.dimension + self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def requests(self) -> int:
        """Upserts and look-ups."""
        return math.ceil(self.chunks / CHUNKS_A_REQUEST) + math.ceil(self.chunks / LOOKUPS_A_REQUEST)
