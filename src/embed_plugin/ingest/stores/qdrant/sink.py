"""Store chunks and vectors in a Qdrant collection and search it, over any backend."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest.chunk.context import context_rule
from embed_plugin.ingest.ids import point_id
from embed_plugin.ingest.records import escaped
from embed_plugin.ingest.stores.collection_settings import CollectionSettings
from embed_plugin.ingest.stores.description import new_identity, sparse_vectors_of, token_vectors_of
from embed_plugin.ingest.stores.payload_layout import LAYOUT_KEYS, LAYOUTS, LEDGER_KEYS, chunk_of, stored_of
from embed_plugin.ingest.stores.qdrant.adoption import Adoption, QdrantAdoption
from embed_plugin.ingest.stores.qdrant.backend import Page, pages, require_support
from embed_plugin.ingest.stores.qdrant.copying import QdrantCopy
from embed_plugin.ingest.stores.qdrant.migration import QdrantMigration, give_up
from embed_plugin.ingest.stores.qdrant.point_writer import PointSpace, PointWriter
from embed_plugin.ingest.stores.qdrant.representations import GIVE_MODELS, Representations, likeness
from embed_plugin.ingest.stores.qdrant.requests import LOOKUP_POINTS, requests
from embed_plugin.ingest.stores.qdrant.searching import Searching
from embed_plugin.ingest.stores.sink import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.chunk.context import ContextRule
    from embed_plugin.ingest.records import Chunk, Rejected
    from embed_plugin.ingest.stores.filter import Conditions
    from embed_plugin.ingest.stores.payload_layout import PayloadLayout
    from embed_plugin.ingest.stores.qdrant.backend import Backend
    from embed_plugin.ingest.stores.sink import Migration, StoredChunk
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder
    from embed_plugin.types import Vectors

_NO_INDEXING = 0
_USUAL_THRESHOLD = 10_000  # kB; Qdrant's own default, where a collection does not say what it had


class QdrantSink:
    """One collection of a Qdrant backend; usable in a ``with`` statement, and by several threads at once.

    Args:
        backend: The Qdrant of the collection; closed with the sink.
        collection: The collection's name.
        settings: How to create it if it does not exist; the defaults if None.

    Every method raises TargetError if Qdrant cannot be reached or refuses.

    Raises:
        InvalidInputError: the name is not UTF-8, or the backend does not support one of the settings.
    """

    def __init__(self, backend: Backend, collection: str, *, settings: CollectionSettings | None = None) -> None:
        self.collection = collection
        self.target = backend.target
        self._backend = backend
        self._settings = settings or CollectionSettings()
        self._identity: CollectionIdentity | None = None
        self._writer = PointWriter(backend)
        self._advised = backend.advised_points
        if collection != escaped(collection):
            raise InvalidInputError(f"the collection's name, {escaped(collection)}, is not UTF-8: choose another one")
        require_support(backend, self._settings)

    def __reduce__(self) -> tuple[Callable[..., QdrantSink], tuple[object, ...]]:
        """Pickle as server, collection and settings; the unpickled sink connects, and does not end the bulk load.

        The models of other vectors than the dense one are pickled as their folders, and are loaded there.

        Raises:
            TargetError: only one process may have the backend open.
        """
        settings = replace(self._settings, bulk_load=False)
        return partial(QdrantSink, settings=settings), (self._backend, self.collection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self._backend.interrupt()
        self.close()

    def close(self) -> None:
        """End the bulk load and close the backend, so that another process may open it."""
        try:
            self._writer.close()
            if self._identity is not None and self._settings.bulk_load:
                self.end_bulk_load()
        finally:
            self._backend.close()

    def check(self, encoder: TextEncoder) -> bool:
        """Return whether the collection exists; if it does, check that it holds this encoder's vectors.

        The models of its other vectors are checked if they were given.

        Raises:
            SpaceMismatchError: it holds others: of another fingerprint, dimension, distance, layout or origin.
        """
        self.collection = self._backend.resolve(self.collection)
        description = self._backend.describe(self.collection)
        if description is None:
            return False
        if mismatch := description.mismatch(encoder, self._settings):
            raise self._mismatch(*mismatch)
        self._identity = description.identity
        if self._identity is None and self._backend.scroll(self.collection, Page(limit=1))[0]:
            expected = "one that embed-plugin made or took over (embed-plugin adopt), or an empty one"
            raise self._mismatch("points of unknown origin", expected)
        return True

    @property
    def sources(self) -> Mapping[str, str]:
        """The root of each source by its name, as the collection's identity had them at the last check."""
        return self._identity.sources if self._identity else {}

    @property
    def context(self) -> ContextRule:
        """What is put in front of each chunk's text: the collection's at the last check, or as it will be made."""
        return context_rule(self._identity.context if self._identity else self._settings.context)

    def prepare(self, encoder: TextEncoder, *, sources: Mapping[str, str] | None = None) -> None:
        """Create the collection for this encoder's vectors, or check that the existing one holds them.

        The bulk load of a run that was stopped is ended, unless this run is a bulk load too.

        Args:
            encoder: The encoder of the vectors.
            sources: Name and root of the sources to add to the collection's identity.

        Raises:
            SpaceMismatchError: see :meth:`check`; or a model of its other vectors was not given.
        """
        self._prepare(encoder)
        self._require_models()
        if self._identity is not None and sources and not sources.items() <= self._identity.sources.items():
            self._identity = replace(self._identity, sources={**self._identity.sources, **sources})
            self._backend.update(self.collection, self._identity)

    def _prepare(self, encoder: TextEncoder) -> None:
        if not self.check(encoder):
            identity = new_identity(encoder, self._settings, namespace=self.collection)
            self._backend.create(self.collection, identity, self._settings)
            self.check(encoder)  # another run may have made it first, for another model
            if self._settings.bulk_load and self._identity is not None and self._identity.bulk_load is None:
                self._start_bulk_load(self._identity)
        elif self._identity is not None and self._identity.migrating_to:
            raise self._mismatch("a migration under way", "none: finish it with  embed-plugin migrate, or --give-up")
        elif self._identity is None:
            if self._settings.sparse_name:  # an empty foreign collection: a sparse vector in it is not ours
                raise self._mismatch("no sparse vectors of ours", sparse_vectors_of(self._settings.sparse_name))
            if self._settings.late:
                raise self._mismatch("no token vectors of ours", token_vectors_of(self._settings.late.fingerprint))
            self._identity = new_identity(encoder, self._settings, namespace=self.collection)
            self._backend.update(self.collection, self._identity)
        elif not self._settings.bulk_load:
            self.end_bulk_load()

    def beside(self, collection: str, *, settings: CollectionSettings | None = None) -> QdrantSink:
        """Another collection of the same Qdrant, which is closed with this one and not by the other."""
        return QdrantSink(self._backend, collection, settings=settings)

    def drop(self, *, dry_run: bool = False) -> None:
        """Drop the collection with all its points, if it exists; in a dry run, only check that this may be done.

        Raises:
            TargetError: the name is an alias, which would go with the collection.
        """
        collection = self._backend.resolve(self.collection)
        if collection != self.collection:
            raise TargetError(
                f"{self.collection!r} in {self.target} is an alias of {collection!r}, which would be dropped with it. "
                f"Name {collection!r} if that is meant, and make the alias again; or fill a new collection"
            )
        if dry_run:
            return
        if self._backend.describe(self.collection) is not None:
            self._backend.drop(self.collection)
        self._identity = None

    def migration(self, encoder: TextEncoder, *, into: str | None = None, alias: str | None = None) -> Migration:
        """The steps of a move to the models; see :func:`~embed_plugin.ingest.upkeep.migrate.migrate`."""
        self.collection = self._backend.resolve(self.collection)
        if into is None:
            return QdrantMigration(self._backend, self.collection, encoder, self._settings)
        return QdrantCopy(self._backend, self.collection, encoder, self._settings, into=into, alias=alias)

    def give_up_migration(self) -> list[str]:
        """End a migration in place that was stopped, and remove the vectors that it made; returns their names.

        Raises:
            TargetError: none is under way; also as every method.
        """
        self.collection = self._backend.resolve(self.collection)
        return give_up(self._backend, self.collection)

    def adopt(self, encoder: TextEncoder, *, on_progress: Callable[[int, int], None] | None = None) -> Adoption:
        """Take over a collection that another program made; see :meth:`.QdrantAdoption.run`."""
        self.collection = self._backend.resolve(self.collection)
        return QdrantAdoption(self._backend, self.collection, encoder).run(on_progress)

    def end_bulk_load(self) -> None:
        """Switch indexing on again, if the bulk load of this run or an earlier one switched it off."""
        self.collection = self._backend.resolve(self.collection)
        description = self._backend.describe(self.collection)
        identity = description.identity if description else None
        if identity is not None and identity.bulk_load is not None:
            ended = replace(identity, bulk_load=None)
            self._backend.update(self.collection, ended, indexing_threshold=identity.bulk_load)
            self._identity = ended

    def lookup(self, ids: Sequence[str]) -> dict[str, Stored]:
        """The source hashes of the points with these ids; ids that are not stored are left out."""
        stored: dict[str, Stored] = {}
        for start in range(0, len(ids), LOOKUP_POINTS):
            some = ids[start : start + LOOKUP_POINTS]
            points = self._backend.retrieve(self.collection, some, Stored._fields)
            stored |= {point.id: stored_of(point.payload) for point in points}
        return stored

    def retrieve(self, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredChunk]:
        """The points with these ids, without texts and metadata; ids that are not stored are left out."""
        return self._retrieved(ids, LEDGER_KEYS, self._vector() if with_vectors else None)

    def retrieve_texts(self, ids: Sequence[str]) -> list[StoredChunk]:
        """The points with these ids, with their texts and metadata; ids that are not stored are left out."""
        return self._retrieved(ids, (*LEDGER_KEYS, *LAYOUT_KEYS, "metadata"), None)

    def _retrieved(self, ids: Sequence[str], keys: Sequence[str], vector: str | None) -> list[StoredChunk]:
        layout = self._layout()
        found: list[StoredChunk] = []
        for start in range(0, len(ids), LOOKUP_POINTS):
            some = ids[start : start + LOOKUP_POINTS]
            points = self._backend.retrieve(self.collection, some, keys, vector=vector)
            found += [chunk_of(layout, point.id, point.payload, point.vector) for point in points]
        return found

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> list[Rejected]:
        """Store chunks with their vectors, ``(len(chunks), dimension)``; on return they are durable.

        Returns:
            The chunks that cannot be stored, with the reason; the others are stored.
        """
        self._require_models()
        space = PointSpace(self.collection, self._layout(), self._vector(), self._representations(), self.id_of)
        rejected = self._writer.store(chunks, vectors, space)
        self._advise()
        return rejected

    def set_metadata(self, chunks: Sequence[Chunk]) -> None:
        """Replace the payload but for the text: metadata and the number of chunks."""
        layout = self._layout()
        for part in requests(chunks, dimension=0):
            ids = [self.id_of(chunk.key, chunk.index) for chunk in chunks[part]]
            payloads = {one: layout.write(chunk, one) for one, chunk in zip(ids, chunks[part], strict=True)}
            self._backend.overwrite_payloads(self.collection, payloads)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the points with these ids; missing ones are ignored."""
        for start in range(0, len(ids), LOOKUP_POINTS):
            self._backend.delete(self.collection, ids[start : start + LOOKUP_POINTS])

    def scan(self, *, with_vectors: bool = False) -> Iterator[Sequence[StoredChunk]]:
        """Every point of the collection, a page at a time."""
        layout = self._layout()
        page = Page(vector=self._vector() if with_vectors else None)
        for points in pages(self._backend, self.collection, page):
            yield [chunk_of(layout, point.id, point.payload, point.vector) for point in points]

    def search(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> list[tuple[float, StoredChunk]]:
        """Score and chunk of the nearest points, best first.

        Args:
            vector: The query's, ``(dimension,)``.
            limit: Maximum number of points.
            text: The query's text, for a hybrid search: the ranking by vectors is fused with those by the other vectors
                whose models were given, BM25 among them.
            conditions: Only points that fulfil all of them are found.

        Raises:
            TargetError: a hybrid search of a collection without other vectors, or without their models.
        """
        return self._searching(conditions).search(vector, text, limit)

    def rankings(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> dict[str, list[tuple[float, StoredChunk]]]:
        """The rankings that :meth:`search` fuses, each by itself, by the kind of its vectors: ``dense``, ``bm25``, ...

        Args:
            vector: The query's, ``(dimension,)``.
            limit: Maximum number of points to return of the fused ones; of each ranking there are as many as are fused.
            text: The query's text, for a hybrid search.
            conditions: As in :meth:`search`, which tells the errors too.
        """
        return self._searching(conditions).rankings(vector, text, limit)

    def max_sim(self, query: str, model: TextLateInteractionEncoder, ids: Sequence[str]) -> dict[str, float]:
        """The max-sim of a query and each of some points, by id; points without token vectors are left out.

        Args:
            query: The query.
            model: The model of the collection's token vectors.
            ids: The ids of the points.

        Raises:
            SpaceMismatchError: the collection has no token vectors of this model.
        """
        found = identity.late if (identity := self._known_identity()) else None
        if found != model.fingerprint:
            raise self._mismatch(token_vectors_of(found), token_vectors_of(model.fingerprint))
        (tokens,) = model.encode_queries([query])
        return self._searching().max_sim(tokens, ids)

    def compare_others(self, chunks: Sequence[StoredChunk]) -> dict[str, list[float] | None]:
        """The cosine of each chunk's stored vector and that of its text made again, by the kind of the vectors.

        The kinds are those of the vectors beside the dense one; None if their model was not given.
        """
        representations = self._representations()
        ids = [chunk.id for chunk in chunks]
        found: dict[str, list[float] | None] = dict.fromkeys(representations.names)
        for kind, made in representations.columns([chunk.text for chunk in chunks]):
            stored = self._backend.other_vectors(self.collection, ids, representations.names[kind])
            found[kind] = [likeness(stored.get(one), again) for one, again in zip(ids, made, strict=True)]
        return found

    def count(self, *, exact: bool = True) -> int:
        """Number of points in the collection; approximate if that is enough, or if the server forbids to count."""
        return self._backend.count(self.collection, exact=exact)

    def collections(self) -> list[str]:
        """Names of the backend's collections."""
        return self._backend.collections()

    def id_of(self, key: str, index: int) -> str:
        """The id of a chunk's point in this collection."""
        return point_id((one.namespace if (one := self._known_identity()) else "") or self.collection, key, index)

    def _searching(self, conditions: Conditions = ()) -> Searching:
        return Searching(self._backend, self.collection, self._known_identity(), self._representations, conditions)

    def _representations(self) -> Representations:
        return Representations(self._known_identity(), self._settings)

    def _require_models(self) -> None:
        """Refuse to write points that would lack a vector: the model of each is needed."""
        if unmade := self._representations().unmade_vectors:
            raise SpaceMismatchError(
                f"collection {self.collection!r} in {self.target} has {unmade}, and no model of them was given. "
                f"{GIVE_MODELS}, or name another collection"
            )

    def _known_identity(self) -> CollectionIdentity | None:
        if self._identity is None:
            description = self._backend.describe(self.collection)
            self._identity = description.identity if description else None
        return self._identity

    def _vector(self) -> str:
        """The name of the dense vector."""
        return identity.vector if (identity := self._known_identity()) else ""

    def _layout(self) -> PayloadLayout:
        return LAYOUTS[identity.layout if (identity := self._known_identity()) else "plain"]

    def _start_bulk_load(self, identity: CollectionIdentity) -> None:
        description = self._backend.describe(self.collection)
        threshold = description.indexing_threshold if description else None
        started = replace(identity, bulk_load=threshold or _USUAL_THRESHOLD)
        self._backend.update(self.collection, started, indexing_threshold=_NO_INDEXING)
        self._identity = started

    def _mismatch(self, found: str, expected: str, migration: str = "") -> SpaceMismatchError:
        moved = f"; or move it with  embed-plugin migrate {migration}" if migration else ""
        return SpaceMismatchError(
            f"collection {self.collection!r} in {self.target} has {found}, expected {expected}. "
            f"Use the model and the choices that it was made with, or name another collection{moved}"
        )

    def _advise(self) -> None:
        if self._advised is not None and (points := self.count()) > self._advised:
            message = (
                f"{self.target} now holds {points:,} points; qdrant-client's local mode compares a query with each and "
                f"is meant for {self._advised:,}. Ingest into edge:FOLDER, or into a Qdrant server (http://HOST:6333)"
            )
            self._advised = None
            warnings.warn(message, UserWarning, stacklevel=3)
