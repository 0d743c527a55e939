"""Copy a Qdrant collection into a second one with another model's vectors, and let an alias stand for the copy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.collection_settings import CollectionSettings
from embed_plugin.ingest.stores.payload_layout import LAYOUTS
from embed_plugin.ingest.stores.qdrant.backend import Page, PointBatch, pages
from embed_plugin.ingest.stores.qdrant.migration import described, embeddable
from embed_plugin.ingest.stores.qdrant.representations import Refused, Representations
from embed_plugin.ingest.stores.sink import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import DistanceName
    from embed_plugin.ingest.stores.payload_layout import LayoutName
    from embed_plugin.ingest.stores.qdrant.backend import Backend, FoundPoint
    from embed_plugin.ingest.stores.sink import StoredChunk
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

_POINTS_AT_ONCE = 64  # a foreign payload may be long, and a server takes 32 MB


class QdrantCopy:
    """A :class:`~embed_plugin.ingest.stores.sink.Migration` into a second collection; the first one stays as it is.

    The copy has the same ids and payloads, and the vector without a name that each layout's store expects. The progress
    is read from the copy: while it is made, its identity migrates to its own space.

    Args:
        backend: The Qdrant of both collections.
        collection: The name of the first.
        encoder: The model of the copy.
        into: The name of the copy.
        alias: A name that stands for the copy when it is complete, and perhaps for the first collection until then.
    """

    def __init__(
        self, backend: Backend, collection: str, encoder: TextEncoder, into: str, alias: str | None = None
    ) -> None:
        self.without_text = 0
        self._backend = backend
        self._collection = collection
        self._encoder = encoder
        self._into = into
        self._alias = alias
        self._payloads: dict[str, Mapping[str, Any]] = {}  # of the page in progress

    def start(self) -> bool:
        """Make the copy, still empty, or find the one that an earlier run began; returns True.

        Raises:
            TargetError: a name is taken, there are no aliases here, or embed-plugin did not make the first collection.
        """
        description, identity = described(self._backend, self._collection)
        if identity.migrating_to:
            raise self._refusal(f"{self._collection!r} is being migrated", "Finish that with  embed-plugin migrate")
        if unmade := Representations(identity, CollectionSettings()).unmade:
            found = f"{self._collection!r} has vectors of other models ({', '.join(unmade)}), which no copy has"
            raise self._refusal(found, "Ingest into a new collection with all models, or migrate in place")
        self._refuse_taken_names()
        if self._backend.describe(self._into) is None:
            settings = CollectionSettings(
                distance=cast("DistanceName", description.vectors[identity.vector].distance),
                layout=cast("LayoutName", identity.layout),
                sparse="bm25" if identity.sparse else None,
            )
            self._backend.create(self._into, self._new_identity(identity), settings)
        copy = described(self._backend, self._into)[1]
        if (copy.fingerprint, copy.namespace) != (self._encoder.fingerprint, identity.namespace or self._collection):
            found = f"{self._into!r} is there already, and no copy of {self._collection!r} with this model's vectors"
            raise self._refusal(found, "Choose a new name")
        return True

    def unmigrated(self) -> Iterator[Sequence[StoredChunk]]:
        """Chunks that the copy lacks, a page at a time; none if it was completed before, and perhaps written since."""
        identity = described(self._backend, self._into)[1]
        layout = LAYOUTS[identity.layout]
        for points in pages(self._backend, self._collection, Page()) if identity.migrating_to else ():
            missing = self._missing(points)
            self._payloads = {point.id: point.payload for point in missing}
            chunks = embeddable(layout, missing)
            self.without_text += len(missing) - len(chunks)
            if chunks:
                yield chunks

    def add(self, chunks: Sequence[StoredChunk], vectors: Vectors) -> None:
        """Store chunks with their payloads and new vectors, ``(n, dimension)``; on return they are durable."""
        representations = Representations(described(self._backend, self._into)[1], CollectionSettings())
        for start in range(0, len(chunks), _POINTS_AT_ONCE):
            part = slice(start, start + _POINTS_AT_ONCE)
            ids = [chunk.id for chunk in chunks[part]]
            made = representations.of_documents([chunk.text for chunk in chunks[part]])
            others = None if made is None else [one for one in made if not isinstance(one, Refused)]
            payloads = [self._payloads[one] for one in ids]
            self._backend.upsert(self._into, PointBatch(ids, vectors[part], payloads, others))

    def finish(self) -> None:
        """Let the alias stand for the copy, and let ingest write to it; what the first one has lost is removed."""
        identity = described(self._backend, self._into)[1]
        if identity.migrating_to:
            self._remove_strays()
        if self._alias is not None:
            self._backend.point_alias(self._alias, self._into)
        if identity.migrating_to:
            self._backend.update(self._into, replace(identity, migrating_to=None))

    def drop_old(self) -> list[str]:
        """Remove nothing: the first collection stays."""
        return []

    def opened_by(self) -> str:
        """The line of Python that reads the copy."""
        layout = LAYOUTS[described(self._backend, self._into)[1].layout]
        return layout.opened_by(self._alias or self._into, "")

    def _new_identity(self, identity: CollectionIdentity) -> CollectionIdentity:
        fingerprint = self._encoder.fingerprint
        return replace(
            identity,
            fingerprint=fingerprint,
            dimension=self._encoder.dimension,
            namespace=identity.namespace or self._collection,
            bulk_load=None,
            vector="",
            superseded=(),
            migrating_to=fingerprint,
        )

    def _missing(self, points: Sequence[FoundPoint]) -> list[FoundPoint]:
        """The points that the copy lacks, or has with other hashes of their source."""
        found = self._backend.retrieve(self._into, [point.id for point in points], Stored._fields)
        there = {point.id: [point.payload.get(name) for name in Stored._fields] for point in found}
        return [
            point for point in points if there.get(point.id) != [point.payload.get(name) for name in Stored._fields]
        ]

    def _remove_strays(self) -> None:
        """Remove copies of points that were removed from the first collection while the copy was made.

        Without this, chunks of a record that became shorter would stay: its chunk 0 no longer tells of them.
        """
        for points in pages(self._backend, self._into, Page()):
            ids = [point.id for point in points]
            kept = {point.id for point in self._backend.retrieve(self._collection, ids, Stored._fields)}
            if strays := [one for one in ids if one not in kept]:
                self._backend.delete(self._into, strays)

    def _refuse_taken_names(self) -> None:
        into, alias = self._into, self._alias
        if into == self._collection or self._backend.resolve(into) != into:
            raise self._refusal(f"{into!r} stands for {self._backend.resolve(into)!r} already", "Choose a new name")
        if alias is None:
            return
        stands_for = self._backend.aliases().get(alias)
        if alias == into or alias in self._backend.collections():
            raise self._refusal(f"the alias {alias!r} is the name of a collection", "Choose one that is none")
        if stands_for not in {None, self._collection, into}:
            raise self._refusal(f"the alias {alias!r} stands for {stands_for!r}", f"Expected {self._collection!r}")

    def _refusal(self, found: str, remedy: str) -> TargetError:
        return TargetError(f"{found} in {self._backend.target}. {remedy}. Nothing was written")
