"""Settings of a new collection; those left out have Qdrant's own default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from embed_plugin.collection_identity import BM25
from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.chunk.context import ContextRule
    from embed_plugin.ingest.stores.bm25_settings import Language
    from embed_plugin.ingest.stores.payload_layout import LayoutName
    from embed_plugin.protocols import TextLateInteractionEncoder, TextSparseEncoder

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
"""The sparse vector that no model makes."""

VECTOR_SETTINGS = frozenset({"sparse", "sparse_language", "bm25_k", "bm25_b", "bm25_mean_words", "late", "context"})
"""Names of the settings that every backend has: of the vectors beside the dense one, and of the texts."""


@dataclass(frozen=True)
class CollectionSettings:
    """Settings of a new collection. Of an existing one, those down to ``context`` are checked if given.

    Attributes:
        distance: The distance of two vectors; cosine by default.
        layout: The layout of payloads; plain by default.
        sparse: Stores a sparse vector of each text's words beside the dense one, for hybrid search: ``bm25``, or a
            model that makes it. To write to such a collection, and to search by these vectors, it is given again.
        sparse_language: The language of its stemmer and stop words; English by default.
        bm25_k: How slowly a word's weight saturates as it is repeated; 1.2 by default.
        bm25_b: How much a text's length counts, from 0 to 1; 0.75 by default.
        bm25_mean_words: The length of a text that length does not count for or against; 256 by default.
        late: Stores a vector for each token of a text beside the dense one, which this model makes; queries are
            compared by max-sim. It is given again as a model of ``sparse`` is.
        context: What is put in front of the text of each chunk before it is embedded and stored; nothing by default. It
            is part of the collection's identity, and need not be given again.
        vectors_on_disk: Keep vectors on disk and in the page cache, instead of in memory.
        payload_on_disk: The same for payloads.
        datatype: The type of a component, of tokens' vectors too.
        quantisation: A smaller copy of the vectors, tokens' too, that is searched first.
        shards: Parts of the collection that a server spreads over its nodes (Qdrant's shards, not ``--shard``).
        replication_factor: Copies that a server keeps of each part.
        hnsw_m: Edges of a point in the index; 0 for no index.
        hnsw_ef_construct: Candidates that are considered when a point is added to the index.
        payload_indexes: More payload keys to index from the start, with the kind of each; ``source_id``, and in the
            layout llama-index ``doc_id``, which its store deletes by, are always indexed.
        bulk_load: Build no index while a new collection is filled; it is built when the sink is closed.

    Raises:
        InvalidInputError: a number is out of range, there is no such language, or a setting of the sparse vector is
            given without it.
    """

    distance: DistanceName | None = None
    layout: LayoutName | None = None
    sparse: SparseName | TextSparseEncoder | None = None
    sparse_language: Language | None = None
    bm25_k: float | None = None
    bm25_b: float | None = None
    bm25_mean_words: float | None = None
    late: TextLateInteractionEncoder | None = None
    context: ContextRule | None = None
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
        self.bm25()
        if self.sparse != BM25 and self.given_for_bm25():
            names = ", ".join(self.given_for_bm25())
            raise InvalidInputError(
                f"a setting of BM25's sparse vectors ({names}) without them: choose sparse bm25 too"
            )

    def chosen(self) -> frozenset[str]:
        """Names of the settings that were given."""
        return frozenset(item.name for item in fields(self) if getattr(self, item.name))

    @property
    def sparse_name(self) -> str | None:
        """The sparse vectors as a collection's identity names them: ``bm25``, or a model's fingerprint."""
        return self.sparse if self.sparse is None or isinstance(self.sparse, str) else self.sparse.fingerprint

    @property
    def sparse_model(self) -> TextSparseEncoder | None:
        """The model of the sparse vectors; None for BM25."""
        return None if isinstance(self.sparse, str) else self.sparse

    def bm25(self) -> Bm25Settings:
        """The settings of a new collection's BM25."""
        return Bm25Settings(**self.given_for_bm25())

    def given_for_bm25(self) -> dict[str, Any]:
        """The settings of BM25 that were given, by the names that :class:`.Bm25Settings` has for them."""
        settings = {
            "language": self.sparse_language,
            "k": self.bm25_k,
            "b": self.bm25_b,
            "mean_words": self.bm25_mean_words,
        }
        return {name: value for name, value in settings.items() if value is not None}

    def indexes(self) -> Mapping[str, IndexKind]:
        """Every payload key to index, with its kind: a server in strict mode filters by no other."""
        by_layout: dict[str, IndexKind] = {"doc_id": "keyword"} if self.layout == "llama-index" else {}
        return {"source_id": "keyword", **by_layout, **self.payload_indexes}
