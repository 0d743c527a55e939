"""The identity of a Qdrant collection: whose vectors it holds, as its metadata says.

Ingest writes it on the collections that it makes; :func:`.check_collection` on those that a framework made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METADATA_KEY = "embed_plugin"
"""The key of the identity in a collection's metadata."""

SCHEMA = 2
"""The version of ids and of the payload's ledger; another one is not understood."""

BM25 = "bm25"
"""The sparse vector that no model makes."""


@dataclass(frozen=True)
class CollectionIdentity:
    """The identity of a collection.

    Attributes:
        fingerprint: The space of its vectors.
        dimension: Their length.
        schema: The version of ids and of the payload's ledger.
        namespace: Of its points' ids: the name that the collection was made with, which an alias, or a snapshot that is
            restored under another name, does not change. Empty for its name now.
        sources: The root of each source by the source's name; empty for one without a root, such as stdin.
        layout: How payloads are laid out.
        sparse: The sparse vector beside the dense one: ``bm25``, or the fingerprint of the model that makes it.
        sparse_settings: How it is made, beyond its name. Collections of ``bm25`` that were made before it had settings
            state none.
        late: The fingerprint of the model that makes a vector for each token, if the collection has those.
        late_dimension: Their length.
        context: What is put in front of the text of each chunk; None for nothing.
        bulk_load: While a bulk load runs: the indexing threshold (kB) to restore when it ends.
        vector: The name of the dense vector; only a migrated collection has one.
        superseded: Names of the dense vectors that migrations replaced and did not remove.
        migrating_to: While a migration runs: the fingerprint of the space that it goes to.
        sparse_vector: The name of the sparse vectors; empty for the usual one of their kind, ``bm25`` or ``sparse``.
        late_vector: The name of the tokens' vectors; empty for the usual one, ``late``.
        superseded_others: Names of the vectors beside the dense one that migrations replaced and did not remove.
        migrating_others: While a migration of those runs: the fields of this identity that it changes, as they will be.
    """

    fingerprint: str
    dimension: int
    schema: int = SCHEMA
    namespace: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    layout: str = "plain"
    sparse: str | None = None
    sparse_settings: Mapping[str, Any] = field(default_factory=dict)
    late: str | None = None
    late_dimension: int | None = None
    context: str | None = None
    bulk_load: int | None = None
    vector: str = ""
    superseded: Sequence[str] = ()
    migrating_to: str | None = None
    sparse_vector: str = ""
    late_vector: str = ""
    superseded_others: Sequence[str] = ()
    migrating_others: Mapping[str, Any] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The collection's metadata; without fields that are None, because Qdrant drops nulls too."""
        return {METADATA_KEY: {name: value for name, value in asdict(self).items() if value is not None}}


def written_on(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fields of the identity in a collection's metadata, of whatever schema; None where there is none."""
    written = metadata.get(METADATA_KEY)
    return written if isinstance(written, dict) else None


def identity_of(written: Mapping[str, Any]) -> CollectionIdentity:
    """The identity that these fields are; fields that a later release added are ignored."""
    known = {one.name for one in fields(CollectionIdentity)}
    return CollectionIdentity(**{name: value for name, value in written.items() if name in known})
