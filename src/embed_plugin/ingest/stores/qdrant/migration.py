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
    from embed_plugin.ingest.stores.payload_layout import PayloadLayout
    from embed_plugin.ingest.stores.qdrant.backend import Backend, FoundPoint
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

    Attributes:
        without_text: Points that got no new vector, because their payload has no text.
    """

    def __init__(self, backend: Backend, collection: str, encoder: TextEncoder) -> None:
        self.without_text = 0
        self._backend = backend
        self._collection = collection
        self._encoder = encoder
        self._vector = f"space-{encoder.fingerprint[:16]}"

    def start(self) -> bool:
        """Let every point have a second vector; returns False if the collection was made in the new space.

        If it was migrated there, points that other programs have since given the old vector alone are still to be done.
        Until :meth:`finish`, only the migration writes to the collection; searches use the old vectors.

        Raises:
            TargetError: there is no such collection, or none that embed-plugin made.
            SpaceMismatchError: a migration to a third space is under way.
        """
        identity = self._description()[1]
        fingerprint = self._encoder.fingerprint
        if identity.fingerprint == fingerprint:
            return identity.vector == self._vector
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
            chunks = embeddable(layout, points)
            self.without_text += len(points) - len(chunks)
            if chunks:
                yield chunks

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
                superseded=(*identity.superseded, identity.vector),
                migrating_to=None,
            )
            self._backend.update(self._collection, moved)

    def drop_old(self) -> list[str]:
        """Remove the dense vectors that are no longer searched; returns their names.

        Raises:
            TargetError: a point would be left without any.
        """
        description, identity = self._description()
        old = [name for name in identity.superseded if name in description.vectors] if not identity.migrating_to else []
        left = next(pages(self._backend, self._collection, Page(without=identity.vector)), []) if old else []
        if left:
            raise TargetError(
                f"point {left[0].id} in {self._collection!r} has an old vector alone, so none was removed. Run it "
                "again to give it a new one; if its payload has no text, add one or delete the point"
            )
        for name in old:
            self._backend.drop_vector_name(self._collection, name)
        if old:
            self._backend.update(self._collection, replace(identity, superseded=()))
        return old

    def opened_by(self) -> str:
        """The line of Python that reads the vectors that are searched now."""
        description, identity = self._description()
        line = LAYOUTS[identity.layout].opened_by(self._collection, identity.vector)
        if identity.layout == "llama-index" and identity.vector and "" in description.vectors:
            line += "  # after --drop-old: LlamaIndex's store prefers the unnamed vector while there is one"
        return line

    def _description(self) -> tuple[Description, CollectionIdentity]:
        return described(self._backend, self._collection)


def described(backend: Backend, collection: str) -> tuple[Description, CollectionIdentity]:
    """The description and the identity of a collection.

    Raises:
        TargetError: there is no such collection, or none that embed-plugin made.
    """
    description = backend.describe(collection)
    identity = description.identity if description else None
    if description is None or identity is None:
        found = f"{backend.target} has no collection {collection!r} that embed-plugin made"
        raise TargetError(f"{found}. Ingest into it first, or take it over with  embed-plugin adopt")
    return description, identity


def embeddable(layout: PayloadLayout, points: Sequence[FoundPoint]) -> list[StoredChunk]:
    """The chunks of points that have a text; the text is the one that was embedded, also by another program."""
    texts = {point.id: layout.embedded_text(point.payload) for point in points}
    chunks = [chunk_of(layout, point.id, point.payload) for point in points if texts[point.id] is not None]
    return [replace(chunk, text=texts[chunk.id] or "") if chunk.is_foreign else chunk for chunk in chunks]
