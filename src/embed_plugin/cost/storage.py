"""What vectors take in Qdrant, in memory and on disk, by how they are stored and searched."""

from __future__ import annotations

from dataclasses import dataclass

from embed_plugin.cost.amounts import require_amounts
from embed_plugin.errors import InvalidInputError

BYTES_OF_A_LINK = 4
BYTES_OF_IDS = 90
"""Ids, versions and the index of ``source_id``: 87 bytes a point in qdrant-edge 0.9 (docs/reference/sizing.md)."""

BYTES_OF_A_LEDGER = 410
"""Payload bytes of a point beside text and vector, as they go over gRPC (``benchmarks/run/upsert_rates.py``)."""

BYTES_OF_A_TOKEN = 4.5
"""Of English text; SciFact's abstracts have 4.44, cut by the tokenizer of BERT."""


@dataclass(frozen=True)
class Stored:
    """One way to store the vectors.

    Attributes:
        name: What is kept of each vector.
        options: The options of ``embed-plugin ingest`` that ask for it.
        memory_bytes: What search reads again and again: the vectors or their quantised copies, the graph, the ids.
        disk_bytes: All of it, and the payload.
    """

    name: str
    options: str
    memory_bytes: float
    disk_bytes: float


@dataclass(frozen=True)
class Points:
    """Points of a collection.

    Attributes:
        count: How many.
        dimension: Numbers of a vector.
        text_bytes: The text of each as UTF-8.
        hnsw_m: Edges of a point in the index; Qdrant's default is 16.
    """

    count: float
    dimension: int
    text_bytes: float
    hnsw_m: int = 16

    def __post_init__(self) -> None:
        require_amounts(count=self.count, dimension=self.dimension, text_bytes=self.text_bytes)
        if self.hnsw_m < 0:
            raise InvalidInputError(f"hnsw_m is {self.hnsw_m}: expected 0, no index, or more")

    @property
    def graph_bytes(self) -> float:
        """The HNSW index: at most ``2 * hnsw_m`` links a point in its lowest layer; those above are few."""
        return self.count * 2 * self.hnsw_m * BYTES_OF_A_LINK

    @property
    def payload_bytes(self) -> float:
        """Text and ledger, before Qdrant compresses them."""
        return self.count * (self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def rule_of_thumb_bytes(self) -> float:
        """Qdrant's own, for all vectors in memory: ``count * dimension * 4 * 1.5``.

        The half counts the index, versions, and segments that are written anew. See
        https://qdrant.tech/documentation/guides/capacity-planning.
        """
        return self.count * self.dimension * 4 * 1.5

    def stored(self) -> tuple[Stored, ...]:
        """The ways that ingest offers, largest first.

        A quantised copy is searched in memory, and the vectors behind it stay on disk to rank its best once more.
        """
        half, whole, byte, bit = (self.count * size * self.dimension for size in (2, 4, 1, 1 / 8))
        on_disk = "--vectors-on-disk --quantisation"
        return (
            self._stored("float32", "", searched=whole),
            self._stored("float16", "--datatype float16", searched=half),
            self._stored("float32, copy of int8", f"{on_disk} scalar", searched=byte, behind=whole),
            self._stored("float32, copy of bits", f"{on_disk} binary", searched=bit, behind=whole),
        )

    def _stored(self, name: str, options: str, *, searched: float, behind: float = 0) -> Stored:
        memory = searched + self.graph_bytes + self.count * BYTES_OF_IDS
        return Stored(name, options, memory, memory + behind + self.payload_bytes)
