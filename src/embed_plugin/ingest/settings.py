"""Settings of an ingest run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.chunk.chunker import Chunker
from embed_plugin.ingest.partition import Shard

if TYPE_CHECKING:
    from embed_plugin.protocols import TextEncoder


@dataclass(frozen=True)
class IngestSettings:
    """Settings of an ingest run.

    Attributes:
        chunk_tokens: Maximum tokens of a chunk, special tokens and prefix included; None for the model's limit.
        overlap_tokens: Maximum tokens that a chunk repeats of the one before it.
        window_records: Records that are chunked, looked up and embedded together.
        window_characters: A window ends early when its texts are longer than this; it bounds memory, and the work
            that a killed run has to repeat.
        shard: The part of the records that this run takes.
        mirror: Remove the stored chunks of records that were not read: the collection becomes a copy of its source.
        max_delete: The largest part of the stored points that ``mirror`` may remove; if more are gone, it removes none.
        max_delete_records: Records that ``mirror`` may remove in any case, however few there are.
        dry_run: Count what would be done; embed and write nothing.
    """

    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    window_records: int = 512
    window_characters: int = 500_000
    shard: Shard = field(default_factory=Shard)
    mirror: bool = False
    max_delete: float = 0.1
    max_delete_records: int = 3
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.window_records < 1 or self.window_characters < 1:
            raise InvalidInputError("a window must hold at least one record and one character")
        if not 0 <= self.max_delete <= 1:
            raise InvalidInputError(f"max_delete is {self.max_delete}; expected a part of all points, 0 to 1")
        if self.max_delete_records < 0:
            raise InvalidInputError(f"max_delete_records is {self.max_delete_records}; expected 0 or more")

    def chunker(self, encoder: TextEncoder) -> Chunker:
        """Make the chunker for an encoder.

        Raises:
            InvalidInputError: ``chunk_tokens`` and ``overlap_tokens`` do not fit together or the encoder.
        """
        return Chunker(encoder, chunk_tokens=self.chunk_tokens, overlap_tokens=self.overlap_tokens)
