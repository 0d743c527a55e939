"""Memory and disk space of vectors in Qdrant, for each way to store and search them."""

from __future__ import annotations

from dataclasses import dataclass

from embed_plugin.cost.amounts import require_amounts
from embed_plugin.errors import InvalidInputError

BYTES_OF_A_LINK = 4
BYTES_OF_IDS = 90
"""Ids, versions and the index of ``source_id``: 87 bytes a point in qdrant-edge 0.9 (docs/reference/sizing.md)."""

BYTES_OF_A_LEDGER = 410
"""Payload that ingest adds to a point beside its text, measured over gRPC (``benchmarks/run/upsert_rates.py``)."""

BYTES_OF_A_TOKEN = 4.5
"""For English text; SciFact's abstracts have 4.44 with BERT's tokenizer."""


@dataclass(frozen=True)
class StorageForm:
    """One way to store the vectors.

    Attributes:
        name: Form in which each vector is kept.
        options: The options of ``embed-plugin ingest`` for it.
        memory_bytes: Data that every search reads: the vectors or their quantised copies, the graph, the ids.
        disk_bytes: All data, payload included.
    """

    name: str
    options: str
    memory_bytes: float
    disk_bytes: float


@dataclass(frozen=True)
class CollectionSize:
    """The size of a collection.

    Attributes:
        count: Number of points.
        dimension: Length of a vector.
        text_bytes: Mean UTF-8 length of a point's text.
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
        """The HNSW index: at most ``2 * hnsw_m`` links a point in its lowest layer; the upper layers are small."""
        return self.count * 2 * self.hnsw_m * BYTES_OF_A_LINK

    @property
    def payload_bytes(self) -> float:
        """Text and ledger, before Qdrant compresses them."""
        return self.count * (self.text_bytes + BYTES_OF_A_LEDGER)

    @property
    def rule_of_thumb_bytes(self) -> float:
        """Qdrant's own estimate, all vectors in memory: ``count * dimension * 4 * 1.5``.

        The factor 1.5 covers the index, versions, and segments that are being rewritten. See
        https://qdrant.tech/documentation/guides/capacity-planning.
        """
        return self.count * self.dimension * 4 * 1.5

    def storage_forms(self) -> tuple[StorageForm, ...]:
        """Return the forms that ingest offers, largest first.

        A quantised copy is searched in memory; the full vectors stay on disk and rescore its best hits.
        """
        half, whole, byte, bit = (self.count * size * self.dimension for size in (2, 4, 1, 1 / 8))
        on_disk = "--vectors-on-disk --quantisation"
        return (
            self._form("float32", "", searched=whole),
            self._form("float16", "--datatype float16", searched=half),
            self._form("float32, copy of int8", f"{on_disk} scalar", searched=byte, behind=whole),
            self._form("float32, copy of bits", f"{on_disk} binary", searched=bit, behind=whole),
        )

    def _form(self, name: str, options: str, *, searched: float, behind: float = 0) -> StorageForm:
        memory = searched + self.graph_bytes + self.count * BYTES_OF_IDS
        return StorageForm(name, options, memory, memory + behind + self.payload_bytes)
