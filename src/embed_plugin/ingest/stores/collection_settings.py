"""Settings of a new collection; those left out have Qdrant's own default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.stores.payload_layout import LayoutName

DistanceName: TypeAlias = Literal["cosine", "dot", "euclid"]
"""The distance of two vectors. They are unit vectors, so all three rank alike; the frameworks expect cosine."""

Datatype: TypeAlias = Literal["float32", "float16"]
"""The type of a component. Qdrant's uint8 takes whole numbers from 0 to 255, so every component of a unit vector would
become 0 or 1; use quantisation to make such vectors small."""

Quantisation: TypeAlias = Literal["scalar", "binary"]
"""scalar: a byte per component beside the vector itself. binary: a bit."""

IndexKind: TypeAlias = Literal["keyword", "integer", "float", "bool", "datetime", "uuid", "text", "geo"]
"""The type of the values in a payload index."""

SparseName: TypeAlias = Literal["bm25"]
"""The sparse vector that is stored beside the dense one."""


@dataclass(frozen=True)
class CollectionSettings:
    """Settings of a new collection. Of an existing one, only the first three are checked.

    Attributes:
        distance: The distance of two vectors; cosine by default.
        layout: The layout of payloads; plain by default.
        sparse: ``bm25`` stores a sparse vector of each text's words beside the dense one, for hybrid search.
        vectors_on_disk: Keep vectors on disk and in the page cache, instead of in memory.
        payload_on_disk: The same for payloads.
        datatype: The type of a component.
        quantisation: A smaller copy of the vectors that is searched first.
        shards: Parts of the collection that a server spreads over its nodes (Qdrant's shards, not ``--shard``).
        replication_factor: Copies that a server keeps of each part.
        hnsw_m: Edges of a point in the index; 0 for no index.
        hnsw_ef_construct: Candidates that are considered when a point is added to the index.
        payload_indexes: More payload keys to index from the start, with the kind of each; ``source_id``, and in the
            layout llama-index ``doc_id``, which its store deletes by, are always indexed.
        bulk_load: Build no index while a new collection is filled; it is built when the sink is closed.

    Raises:
        InvalidInputError: a number is out of range.
    """

    distance: DistanceName | None = None
    layout: LayoutName | None = None
    sparse: SparseName | None = None
    vectors_on_disk: bool | None = None
    payload_on_disk: bool | None = None
    datatype: Datatype | None = None
    quantisation: Quantisation | None = None
    shards: int | None = None
    replication_factor: int | None = None
    hnsw_m: int | None = None
    hnsw_ef_construct: int | None = None
    payload_indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    bulk_load: bool = False

    def __post_init__(self) -> None:
        least = {"shards": 1, "replication_factor": 1, "hnsw_m": 0, "hnsw_ef_construct": 4}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InvalidInputError(f"{name} of {value}, expected {low} or more")

    def chosen(self) -> frozenset[str]:
        """Names of the settings that were given."""
        return frozenset(item.name for item in fields(self) if getattr(self, item.name))

    def indexes(self) -> Mapping[str, IndexKind]:
        """Every payload key to index, with its kind: a server in strict mode filters by no other."""
        by_layout: dict[str, IndexKind] = {"doc_id": "keyword"} if self.layout == "llama-index" else {}
        return {"source_id": "keyword", **by_layout, **self.payload_indexes}
