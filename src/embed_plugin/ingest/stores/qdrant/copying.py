"""Copy a Qdrant collection into a second one with other models' vectors, and let an alias stand for the copy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.collection_settings import CollectionSettings
from embed_plugin.ingest.stores.payload_layout import LAYOUTS
from embed_plugin.ingest.stores.qdrant.backend import Page, PointBatch, batched, other_vector_names, pages
from embed_plugin.ingest.stores.qdrant.destination import destination, moved_kinds
from embed_plugin.ingest.stores.qdrant.migration import described, embeddable, vectors_beside
from embed_plugin.ingest.stores.qdrant.representations import Representations
from embed_plugin.ingest.stores.qdrant.requests import vector_requests
from embed_plugin.ingest.stores.sink import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import DistanceName
    from embed_plugin.ingest.stores.payload_layout import LayoutName, PayloadLayout
    from embed_plugin.ingest.stores.qdrant.backend import Backend, FoundPoint, OtherVector
    from embed_plugin.ingest.stores.sink import StoredChunk
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

_POINTS_AT_ONCE = 64  # a foreign payload may be long, and a server takes 32 MB


class _Plan(NamedTuple):
    """What a copy's vectors are made of.

    Attributes:
        layout: Of the payloads.
        vector: The name of the first collection's dense vectors.
        keeps_dense: Whether those are copied.
        kept: The names of the first collection's other vectors that are copied, by their kind.
        made: The kinds of other vectors that are made.
        representations: Make them.
    """

    layout: PayloadLayout
    vector: str
    keeps_dense: bool
    kept: Mapping[str, str]
    made: frozenset[str]
    representations: Representations


class QdrantCopy:
    """A :class:`~embed_plugin.ingest.stores.sink.Migration` into a second collection; the first one stays as it is.

    The copy has the same ids and payloads, and vectors under their usual names, the dense one without a name as each
    layout's store expects. Vectors whose model stays are copied as they are stored. The progress is read from the copy:
    while it is made, its identity migrates to its own space.

    Args:
        backend: The Qdrant of both collections.
        collection: The name of the first.
        encoder: The dense model of the copy.
        settings: The models of the copy's other vectors; those of a kind whose model is not given stay.
        into: The name of the copy.
        alias: A name that stands for the copy when it is complete, and perhaps for the first collection until then.
    """

    def __init__(
        self,
        backend: Backend,
        collection: str,
        encoder: TextEncoder,
        settings: CollectionSettings,
        *,
        into: str,
        alias: str | None = None,
    ) -> None:
        self.without_text = 0
        self.made: Counter[str] = Counter()
        self._backend = backend
        self._collection = collection
        self._encoder = encoder
        self._settings = settings
        self._into = into
        self._alias = alias
        self._payloads: dict[str, Mapping[str, Any]] = {}  # of the page in progress

    def start(self) -> bool:
        """Make the copy, still empty, or find the one that an earlier run began; returns True.

        Raises:
            InvalidInputError: a later release wrote the settings of BM25.
            TargetError: a name is taken, there are no aliases here, or embed-plugin did not make the first collection.
        """
        description, identity = described(self._backend, self._collection)
        if identity.migrating_to:
            raise self._refusal(f"{self._collection!r} is being migrated", "Finish that with  embed-plugin migrate")
        goal = self._goal(identity)
        self._refuse_taken_names()
        if self._backend.describe(self._into) is None:
            settings = CollectionSettings(
                distance=cast("DistanceName", description.vectors[identity.vector].distance),
                layout=cast("LayoutName", identity.layout),
            )
            self._backend.create(self._into, goal, settings)
        if _spaces(described(self._backend, self._into)[1]) != _spaces(goal):
            found = f"{self._into!r} is there already, and no copy of {self._collection!r} with these models' vectors"
            raise self._refusal(found, "Choose a new name")
        return True

    def kinds(self) -> int:
        """One: a point is copied with all its vectors."""
        return 1

    def unmigrated(self) -> Iterator[Sequence[StoredChunk]]:
        """Chunks that the copy lacks and that need a dense vector; none if it was completed before.

        If the dense model stays, only points that other programs have given another vector alone need one.
        """
        plan = self._plan
        if plan.keeps_dense and not plan.vector:
            return
        for missing in self._missing_pages(Page(without=plan.vector if plan.keeps_dense else None)):
            self._payloads = {point.id: point.payload for point in missing}
            chunks = embeddable(plan.layout, missing)
            self.without_text += len(missing) - len(chunks)
            if chunks:
                yield chunks

    def add(self, chunks: Sequence[StoredChunk], vectors: Vectors) -> None:
        """Store chunks with their payloads and new dense vectors, ``(n, dimension)``; on return they are durable."""
        rows = {chunk.id: row for chunk, row in zip(chunks, vectors, strict=True)}
        self._store(rows, {chunk.id: chunk for chunk in chunks})

    def complete_others(self) -> Iterator[int]:
        """Copy the points with their dense vectors if those stay; yields the number of points of each page.

        Raises:
            RecordError: a model refuses a text.
        """
        plan = self._plan
        for missing in self._missing_pages(Page(vector=plan.vector)) if plan.keeps_dense else ():
            rows = {point.id: point.vector for point in missing if point.vector is not None}
            self._payloads = {point.id: point.payload for point in missing}
            chunks = {chunk.id: chunk for chunk in embeddable(plan.layout, missing) if chunk.id in rows}
            self.without_text += len(rows) - len(chunks) if plan.made else 0
            self._store(rows, chunks)
            yield len(rows)

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

    def vectors(self) -> dict[str, str]:
        """The names of the copy's vectors beside the dense one, by their kind."""
        return other_vector_names(described(self._backend, self._into)[1])

    def _goal(self, identity: CollectionIdentity) -> CollectionIdentity:
        """The identity of the copy while it is made."""
        return replace(
            destination(identity, self._encoder, self._settings),
            namespace=identity.namespace or self._collection,
            bulk_load=None,
            vector="",
            sparse_vector="",
            late_vector="",
            superseded=(),
            superseded_others=(),
            migrating_to=self._encoder.fingerprint,
        )

    @cached_property
    def _plan(self) -> _Plan:
        identity = described(self._backend, self._collection)[1]
        copy = described(self._backend, self._into)[1]
        made = moved_kinds(identity, destination(identity, self._encoder, self._settings))
        kinds = other_vector_names(copy).keys() - made
        return _Plan(
            LAYOUTS[identity.layout],
            identity.vector,
            identity.fingerprint == self._encoder.fingerprint,
            {kind: name for kind, name in other_vector_names(identity).items() if kind in kinds},
            made,
            Representations(copy, self._settings),
        )

    def _store(self, rows: Mapping[str, npt.NDArray[np.float32]], chunks: Mapping[str, StoredChunk]) -> None:
        """Store points with their payloads, dense vectors and others; those without a chunk have no text."""
        has_others = bool(self._plan.made or self._plan.kept)
        for ids in batched(list(rows), _POINTS_AT_ONCE):
            for part in vector_requests(self._others(ids, chunks)):
                dense = np.array([rows[one] for one in part], dtype=np.float32)
                payloads = [self._payloads[one] for one in part]
                batch = PointBatch(list(part), dense, payloads, list(part.values()) if has_others else None)
                self._backend.upsert(self._into, batch)

    def _others(self, ids: Sequence[str], chunks: Mapping[str, StoredChunk]) -> dict[str, Mapping[str, OtherVector]]:
        """The vectors of each point beside the dense one, by the names that the copy has: made, or as they are stored.

        Raises:
            RecordError: a model refuses a text.
        """
        plan = self._plan
        found: dict[str, dict[str, OtherVector]] = {one: {} for one in ids}
        for kind, name in plan.kept.items():
            for one, vector in self._backend.other_vectors(self._collection, ids, name).items():
                found[one][kind] = vector
        if plan.made:
            some = [chunks[one] for one in ids if one in chunks]
            for one, vectors in vectors_beside(plan.representations, some, kinds=plan.made).items():
                found[one].update(vectors)
            self.made.update(dict.fromkeys(plan.made, len(some)))
        return dict(found)

    def _missing_pages(self, page: Page) -> Iterator[list[FoundPoint]]:
        """The points that the copy lacks, a page at a time; none if it was completed, and perhaps written since."""
        if described(self._backend, self._into)[1].migrating_to:
            for points in pages(self._backend, self._collection, page):
                yield self._missing(points)

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


def _spaces(identity: CollectionIdentity) -> tuple[object, ...]:
    """The facts by which a copy that an earlier run began is known."""
    settings = dict(identity.sparse_settings)
    return identity.fingerprint, identity.namespace, identity.sparse, settings, identity.late
