"""Time, bytes and requests of the first run of an ingest."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embed_plugin.cost.amounts import require_amounts
from embed_plugin.cost.storage import BYTES_OF_A_LEDGER

GRPC_BYTES_OF_A_NUMBER = 4
HTTP_BYTES_OF_A_NUMBER = 21
"""A float32 as JSON, comma included (``benchmarks/run/upsert_rates.py``)."""


@dataclass(frozen=True)
class Load:
    """The first run of an ingest.

    Attributes:
        chunks: Number of chunks.
        tokens_per_chunk: Mean length of a chunk.
        text_bytes: Mean UTF-8 length of a chunk's text.
        dimension: Length of a vector.
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
        """Hours to embed the chunks: ``chunks * tokens_per_chunk / tokens_per_second / 3600``."""
        return self.chunks * self.tokens_per_chunk / tokens_per_second / 3600

    def machines_for(self, hours: float, *, tokens_per_second: float) -> int:
        """Machines, used at full speed, that embed the chunks within so many hours."""
        return math.ceil(round(self.hours(tokens_per_second) / hours, 9))

    @property
    def grpc_bytes(self) -> float:
        """Bytes sent to a server by gRPC."""
        return self.chunks * (GRPC_BYTES_OF_A_NUMBER * self.dimension + self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def http_bytes(self) -> float:
        """Bytes sent to a server by HTTP."""
        return self.chunks * (HTTP_BYTES_OF_A_NUMBER * self.dimension + self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def requests(self) -> int:
        """Upserts and look-ups."""
        # Here, for that module loads numpy, which every command would wait for.
        from embed_plugin.ingest.stores.qdrant.requests import LOOKUP_POINTS, REQUEST_POINTS  # noqa: PLC0415

        return math.ceil(self.chunks / REQUEST_POINTS) + math.ceil(self.chunks / LOOKUP_POINTS)
