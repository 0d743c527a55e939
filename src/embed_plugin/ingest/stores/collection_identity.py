"""Whose vectors a collection holds and how its payloads are laid out, as it says so itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from embed_plugin.collection_check import METADATA_KEY, SCHEMA
from embed_plugin.ingest.stores.payload_layout import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.stores.collection_settings import CollectionSettings, SparseName
    from embed_plugin.ingest.stores.payload_layout import LayoutName
    from embed_plugin.protocols import TextEncoder

_DISTANCE = "cosine"


@dataclass(frozen=True)
class CollectionIdentity:
    """What ingest wrote on a collection.

    Attributes:
        fingerprint: The space of its vectors.
        dimension: Their length.
        schema: Which keys the ledger has.
        layout: How payloads are laid out.
        sparse: The sparse vector beside the dense one.
        bulk_load: While a bulk load runs: the indexing threshold (kB) to go back to when it ends.
        vector: The name of the dense vector; only a migrated collection has one.
        migrating_to: While a migration runs: the fingerprint of the space that it goes to.
    """

    fingerprint: str
    dimension: int
    schema: int = SCHEMA
    layout: LayoutName = "plain"
    sparse: SparseName | None = None
    bulk_load: int | None = None
    vector: str = ""
    migrating_to: str | None = None

    def metadata(self) -> dict[str, Any]:
        """The collection's metadata; without what is not set, as Qdrant forgets nulls too."""
        return {METADATA_KEY: {name: value for name, value in asdict(self).items() if value is not None}}


class VectorShape(NamedTuple):
    """What a collection's dense vectors of a name are: their length, and how Qdrant compares them (``cosine``, ...)."""

    dimension: int
    distance: str


@dataclass(frozen=True)
class Description:
    """What an engine says of a collection.

    Attributes:
        vectors: Its dense vectors by name; the name of the one without is empty.
        metadata: Of the collection.
        indexing_threshold: From how many kB a segment is indexed; None where nothing is.
    """

    vectors: Mapping[str, VectorShape]
    metadata: Mapping[str, Any]
    indexing_threshold: int | None = None

    @property
    def identity(self) -> CollectionIdentity | None:
        """What ingest wrote on it; None where it did not, or where it is of a schema of another time."""
        written = self._written
        if written is None or self.schema != SCHEMA or written.get("layout", "plain") not in LAYOUTS:
            return None
        known = CollectionIdentity.__dataclass_fields__
        return CollectionIdentity(**{name: value for name, value in written.items() if name in known})

    @property
    def schema(self) -> int | None:
        """The schema of what ingest wrote on it; None where it did not."""
        return None if self._written is None else int(self._written.get("schema", 0))

    @property
    def _written(self) -> Mapping[str, Any] | None:
        written = self.metadata.get(METADATA_KEY)
        return written if isinstance(written, dict) else None

    def mismatch(self, encoder: TextEncoder, settings: CollectionSettings) -> tuple[str, str] | None:
        """What was found and what was expected, where this encoder's vectors may not go there; else None."""
        identity = self.identity
        vector = self.vectors.get(identity.vector if identity else "")
        if vector is None:
            return "named or sparse vectors", "one unnamed vector per point"
        dimension = encoder.dimension
        found = [
            (vector.dimension == dimension, f"vectors of dimension {vector.dimension}", f"the model's {dimension}"),
            self._distance_found(vector.distance, settings),
        ]
        if identity is not None:
            found += _identity_found(identity, encoder, settings)
        elif self.schema is not None:
            found.append((False, f"schema {self.schema} of embed-plugin's payload", f"schema {SCHEMA}"))
        return next(((there, expected) for fits, there, expected in found if not fits), None)

    def _distance_found(self, distance: str, settings: CollectionSettings) -> tuple[bool, str, str]:
        ours = self.identity is not None
        expected = settings.distance or (distance if ours else _DISTANCE)
        return distance == expected, f"the distance {distance}", expected


def _identity_found(
    identity: CollectionIdentity, encoder: TextEncoder, settings: CollectionSettings
) -> list[tuple[bool, str, str]]:
    fingerprint = encoder.fingerprint
    layout, sparse = settings.layout or identity.layout, settings.sparse or identity.sparse
    return [
        (
            identity.fingerprint == fingerprint,
            f"vectors of the space {identity.fingerprint}",
            f"the model's space {fingerprint}",
        ),
        (identity.layout == layout, f"the payload layout {identity.layout}", str(layout)),
        (identity.sparse == sparse, "no sparse vectors", f"sparse vectors of {sparse}"),
    ]


def new_identity(encoder: TextEncoder, settings: CollectionSettings) -> CollectionIdentity:
    """What to write on a collection that is made for an encoder."""
    return CollectionIdentity(
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        layout=settings.layout or "plain",
        sparse=settings.sparse,
    )
