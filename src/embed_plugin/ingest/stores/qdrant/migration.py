"""Move a Qdrant collection to other models' vectors, which are stored beside the old ones until all are there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError, SpaceMismatchError, TargetError
from embed_plugin.ingest.stores.payload_layout import LAYOUTS, chunk_of
from embed_plugin.ingest.stores.qdrant.backend import AddedVectors, Page, other_vector_names, pages
from embed_plugin.ingest.stores.qdrant.destination import (
    added_vectors,
    begun_vectors,
    described_goal,
    destination,
    finished,
    is_under_way,
    moved_kinds,
    moved_others,
    space_name,
)
from embed_plugin.ingest.stores.qdrant.representations import Refused, Representations
from embed_plugin.ingest.stores.qdrant.requests import vector_requests

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.payload_layout import PayloadLayout
    from embed_plugin.ingest.stores.qdrant.backend import Backend, FoundPoint, OtherVector
    from embed_plugin.ingest.stores.sink import StoredChunk
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors


class QdrantMigration:
    """A :class:`~embed_plugin.ingest.stores.sink.Migration` of one collection to other models' vectors.

    The progress is read from the collection: the points without a new vector, and the identity. So a migration that
    was stopped is continued by starting it again.

    Args:
        backend: The Qdrant of the collection.
        collection: Its name.
        encoder: The dense model to move to, or the collection's own.
        settings: The models of other vectors to move to; those of a kind whose model is not given stay.

    Attributes:
        without_text: Points that lack a new vector, because their payload has no text.
        made: Vectors that were made beside the dense ones, by kind.
    """

    def __init__(self, backend: Backend, collection: str, encoder: TextEncoder, settings: CollectionSettings) -> None:
        self.without_text = 0
        self.made: Counter[str] = Counter()
        self._backend = backend
        self._collection = collection
        self._encoder = encoder
        self._settings = settings

    def start(self) -> bool:
        """Let every point have a second vector of each kind that moves; returns False if there is nothing to do.

        A kind that was migrated to its model before is gone through again: points that other programs have since given
        an old vector alone are still to be done. Until :meth:`finish`, only the migration writes to the collection;
        searches use the old vectors.

        Raises:
            InvalidInputError: a later release wrote the settings of BM25.
            TargetError: there is no such collection, or none that embed-plugin made; or the server is too old.
            SpaceMismatchError: a migration to other models is under way.
        """
        identity = self._description()[1]
        goal = self._goal(identity)
        others = moved_others(identity, goal)
        if identity.migrating_to and not is_under_way(identity, goal):
            message = (
                f"collection {self._collection!r} in {self._backend.target} migrates to "
                f"{described_goal(identity.migrating_to, identity.migrating_others)}, not to "
                f"{described_goal(goal.fingerprint, others)}. Finish that with the models it was begun with, "
                "or end it with  embed-plugin migrate --give-up"
            )
            raise SpaceMismatchError(message)
        if others or goal.fingerprint != identity.fingerprint:
            self._add_vectors(identity, goal)
            started = replace(identity, migrating_to=goal.fingerprint, migrating_others=others)
            self._backend.update(self._collection, started)
        return bool(self._is_dense_filled(goal) or self._filled_others(goal))

    def kinds(self) -> int:
        """The number of kinds of vectors that points may lack."""
        goal = self._goal(self._description()[1])
        return self._is_dense_filled(goal) + len(self._filled_others(goal))

    def unmigrated(self) -> Iterator[list[StoredChunk]]:
        """Chunks without the new dense vector, a page at a time; none if the dense model stays."""
        goal = self._goal(self._description()[1])
        if self._is_dense_filled(goal):
            yield from self._lacking(goal.vector, LAYOUTS[goal.layout])

    def add(self, chunks: Sequence[StoredChunk], vectors: Vectors) -> None:
        """Give chunks their new dense vectors, ``(n, dimension)``; on return they are durable."""
        name = space_name(self._encoder.fingerprint)
        for part in vector_requests({chunk.id: {name: row} for chunk, row in zip(chunks, vectors, strict=True)}):
            self._backend.set_vectors(self._collection, part)

    def complete_others(self) -> Iterator[int]:
        """Make the new vectors beside the dense one where they lack; yields the number of points of each page.

        Raises:
            RecordError: a model refuses a text.
        """
        goal = self._goal(self._description()[1])
        representations = Representations(goal, self._settings)
        for kind, name in self._filled_others(goal).items():
            for chunks in self._lacking(name, LAYOUTS[goal.layout]):
                vectors = vectors_beside(representations, chunks, kinds=[kind])
                for part in vector_requests({one: named for one, named in vectors.items() if named}):
                    self._backend.set_vectors(self._collection, part)
                self.made[kind] += len(chunks)
                yield len(chunks)

    def finish(self) -> None:
        """Make the new vectors the ones that are searched and written."""
        identity = self._description()[1]
        goal = self._goal(identity)
        if identity.migrating_to and is_under_way(identity, goal):
            self._backend.update(self._collection, finished(identity, goal))

    def drop_old(self) -> list[str]:
        """Remove the vectors that are no longer searched; returns their names.

        Raises:
            TargetError: a point would be left without a dense one.
        """
        description, identity = self._description()
        if identity.migrating_to:
            return []
        dense = [name for name in identity.superseded if name in description.vectors and name != identity.vector]
        left = next(pages(self._backend, self._collection, Page(without=identity.vector)), []) if dense else []
        if left:
            raise TargetError(
                f"point {left[0].id} in {self._collection!r} has an old vector alone, so none was removed. Run it "
                "again to give it a new one; if its payload has no text, add one or delete the point"
            )
        old = [*dense, *identity.superseded_others]
        for name in old:
            self._backend.drop_vector_name(self._collection, name)
        if old:
            self._backend.update(self._collection, replace(identity, superseded=(), superseded_others=()))
        return old

    def opened_by(self) -> str:
        """The line of Python that reads the vectors that are searched now."""
        description, identity = self._description()
        line = LAYOUTS[identity.layout].opened_by(self._collection, identity.vector)
        if identity.layout == "llama-index" and identity.vector and "" in description.vectors:
            line += "  # after --drop-old: LlamaIndex's store prefers the unnamed vector while there is one"
        return line

    def vectors(self) -> dict[str, str]:
        """The names of the vectors that are searched now beside the dense one, by their kind."""
        return other_vector_names(self._description()[1])

    def _goal(self, identity: CollectionIdentity) -> CollectionIdentity:
        return destination(identity, self._encoder, self._settings)

    def _is_dense_filled(self, goal: CollectionIdentity) -> bool:
        """Return whether the dense vectors move, or did so before."""
        return goal.vector == space_name(self._encoder.fingerprint)

    def _filled_others(self, goal: CollectionIdentity) -> dict[str, str]:
        """The kinds whose model was given and whose vectors move, or did so before, with their names."""
        given = {"late": self._settings.late is not None}
        return {
            kind: name
            for kind, name in other_vector_names(goal).items()
            if name != kind and given.get(kind, self._settings.sparse is not None)
        }

    def _add_vectors(self, identity: CollectionIdentity, goal: CollectionIdentity) -> None:
        added = added_vectors(goal, moved_kinds(identity, goal))
        if goal.vector != identity.vector:
            added = [AddedVectors(goal.vector, goal.dimension), *added]
        for one in added:
            self._backend.add_vectors(self._collection, one)

    def _lacking(self, name: str, layout: PayloadLayout) -> Iterator[list[StoredChunk]]:
        """The chunks without the vector of a name, a page at a time."""
        without_text = 0
        for points in pages(self._backend, self._collection, Page(without=name)):
            chunks = embeddable(layout, points)
            without_text += len(points) - len(chunks)
            self.without_text = max(self.without_text, without_text)
            if chunks:
                yield chunks

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


def vectors_beside(
    representations: Representations, chunks: Sequence[StoredChunk], *, kinds: Collection[str]
) -> dict[str, Mapping[str, OtherVector]]:
    """The vectors of these kinds of each chunk, by id and name.

    Raises:
        RecordError: a model refuses a text.
    """
    made = representations.of_documents([chunk.text for chunk in chunks], kinds=kinds) or []
    found: dict[str, Mapping[str, OtherVector]] = {}
    for chunk, vectors in zip(chunks, made, strict=True):
        if isinstance(vectors, Refused):
            raise RecordError(
                f"{place_of(chunk)}: {vectors.reason}. Ingest the source into a new collection with that model, which "
                "rejects the record and stores the others"
            )
        found[chunk.id] = vectors
    return found


def place_of(chunk: StoredChunk) -> str:
    """A stored chunk's record and position, or its point's id, in a message."""
    return f"point {chunk.id}" if chunk.is_foreign else f"{chunk.name} [{chunk.index}]"


def give_up(backend: Backend, collection: str) -> list[str]:
    """End a migration in place before its last step, and remove the vectors that it made; returns their names.

    Raises:
        TargetError: there is no such collection, or no migration of it is under way.
    """
    identity = described(backend, collection)[1]
    begun = begun_vectors(identity)
    if not begun:
        found = f"no migration of {collection!r} in {backend.target} is under way"
        raise TargetError(
            f"{found}, expected one that was stopped. Drop a copy that is not wanted. Nothing was changed"
        )
    kept = {*identity.superseded, *identity.superseded_others}
    removed = [name for name in begun if name not in kept]
    # First given up, then removed: a process that is killed between leaves vectors that --drop-old removes.
    ended = replace(identity, migrating_to=None, migrating_others={})
    backend.update(collection, replace(ended, superseded_others=(*identity.superseded_others, *removed)))
    for name in removed:
        backend.drop_vector_name(collection, name)
    backend.update(collection, ended)
    return removed
