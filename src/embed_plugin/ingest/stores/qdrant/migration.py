"""Move a Qdrant collection to another model's vectors, which are stored beside the old ones until all are there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.ingest.stores.payload_layout import LAYOUTS, chunk_of
from embed_plugin.ingest.stores.qdrant.backend import Page, PointBatch, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.qdrant.backend import Backend
    from embed_plugin.ingest.stores.sink import StoredChunk
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors


class QdrantMigration:
    """A :class:`~embed_plugin.ingest.stores.sink.Migration` of one collection to one encoder's space.

    The progress is read from the collection: the points without the new vector, and the identity. So a migration that
    was stopped is continued by starting it again.

    Args:
        backend: The Qdrant of the collection.
        collection: Its name.
        encoder: The model to move to.
    """

    def __init__(self, backend: Backend, collection: str, encoder: TextEncoder) -> None:
        self._backend = backend
        self._collection = collection
        self._encoder = encoder
        self._vector = f"space-{encoder.fingerprint[:16]}"

    def start(self) -> bool:
        """Let every point have a second vector; returns False if the collection is in the new space already.

        Until :meth:`finish`, only the migration writes to the collection; searches use the old vectors.

        Raises:
            TargetError: there is no such collection, or none that embed-plugin made.
            SpaceMismatchError: a migration to a third space is under way.
        """
        identity = self._description()[1]
        fingerprint = self._encoder.fingerprint
        if identity.fingerprint == fingerprint:
            return False
        if identity.migrating_to not in {None, fingerprint}:
            message = (
                f"collection {self._collection!r} in {self._backend.target} migrates to the space "
                f"{identity.migrating_to}, not to {fingerprint}. Finish that with the model it was begun with"
            )
            raise SpaceMismatchError(message)
        self._backend.add_vector_name(self._collection, self._vector, self._encoder.dimension)
        self._backend.update(self._collection, replace(identity, migrating_to=fingerprint))
        return True

    def unmigrated(self) -> Iterator[list[StoredChunk]]:
        """Chunks without the new vector, a page at a time."""
        layout = LAYOUTS[self._description()[1].layout]
        for points in pages(self._backend, self._collection, Page(without=self._vector)):
            yield [chunk_of(layout, point.id, point.payload) for point in points]

    def add(self, chunks: Sequence[StoredChunk], vectors: Vectors) -> None:
        """Give chunks their new vectors, ``(n, dimension)``; on return they are durable."""
        ids = [chunk.id for chunk in chunks]
        self._backend.set_vectors(self._collection, PointBatch(ids, vectors, [], name=self._vector))

    def finish(self) -> None:
        """Make the new vectors the ones that are searched and written."""
        identity = self._description()[1]
        if identity.migrating_to == self._encoder.fingerprint:
            moved = replace(
                identity,
                fingerprint=self._encoder.fingerprint,
                dimension=self._encoder.dimension,
                vector=self._vector,
                migrating_to=None,
            )
            self._backend.update(self._collection, moved)

    def drop_old(self) -> list[str]:
        """Remove the dense vectors that are no longer searched; returns their names."""
        description, identity = self._description()
        old = [name for name in description.vectors if name != identity.vector] if not identity.migrating_to else []
        for name in old:
            self._backend.drop_vector_name(self._collection, name)
        return old

    def _description(self) -> tuple[Description, CollectionIdentity]:
        description = self._backend.describe(self._collection)
        identity = description.identity if description else None
        if description is None or identity is None:
            found = f"{self._backend.target} has no collection {self._collection!r} that embed-plugin made"
            raise TargetError(f"{found}. Ingest into it first")
        return description, identity
