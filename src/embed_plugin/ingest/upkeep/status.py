"""The state of a collection, and of all collections of a target, read without a model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embed_plugin.collection_identity import BM25
from embed_plugin.errors import TargetError
from embed_plugin.ingest.stores.qdrant.backend import other_vector_names
from embed_plugin.model.cache import name_of_prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.qdrant.stored_collections import StoredCollections
    from embed_plugin.ingest.stores.sink import Sink, StoredChunk

_LATE = "late"


@dataclass(frozen=True)
class CollectionEntry:
    """A collection in the list of a target's.

    Attributes:
        name: Its name.
        points: The number of its points; None if they could not be counted.
        dimension: Of its dense vectors; None if it has none.
        fingerprint: The space of its vectors; None if this release of ingest did not make it.
        origin: ``ingest``, ``another release``, or ``another program``.
        aliases: Names that stand for it.
        problem: The reason why its points could not be counted; empty if they were.
    """

    name: str
    points: int | None
    dimension: int | None
    fingerprint: str | None
    origin: str
    aliases: Sequence[str] = ()
    problem: str = ""


@dataclass(frozen=True)
class SourceStatus:
    """A source of a collection.

    Attributes:
        name: Its name; empty for records without one.
        root: Its folder; empty for one without, such as stdin.
        records: The number of its records.
        chunks: The number of their chunks.
    """

    name: str
    root: str
    records: int
    chunks: int


@dataclass(frozen=True)
class VectorStatus:
    """A kind of vectors of a collection.

    Attributes:
        kind: ``dense``, ``bm25``, ``sparse`` or ``late``.
        name: Their name in Qdrant; empty for the one without.
        fingerprint: Of the model that makes them; empty for BM25, and for vectors of unknown origin.
        model: The name of that model, if it is among the prepared ones.
        dimension: Their length; None for sparse ones.
        distance: How two are compared, where the store says it.
        datatype: Of a component, where the store says it.
        settings: Of BM25.
    """

    kind: str
    name: str
    fingerprint: str = ""
    model: str | None = None
    dimension: int | None = None
    distance: str = ""
    datatype: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectionStatus:
    """The state of a collection.

    Attributes:
        target: The Qdrant that it is in.
        collection: Its name.
        aliases: Names that stand for it.
        origin: ``ingest``, ``another release``, or ``another program``.
        points: The number of its points.
        records: The number of records that ingest stored.
        foreign_points: Points that another program made.
        unknown_points: Points that ingest made, and whose record's id is gone.
        sources: Its sources, by name.
        vectors: Its kinds of vectors, the dense ones first.
        layout: How payloads are laid out; empty if ingest did not make it.
        context: What is put in front of the text of each chunk.
        mean_characters: Of a chunk's text. The limits that chunks were cut by are not stored on a collection.
        longest_characters: Of a chunk's text.
        migrating_to: The fingerprint of the dense model that a migration under way goes to; None without a migration.
        migrating_others: What that migration changes of the other vectors.
        superseded: Names of vectors that migrations replaced and left.
        bulk_load: Whether a bulk load is under way, or was stopped: new points are not indexed.
        bytes_on_disk: Bytes on this machine's disk; None if they are elsewhere.
    """

    target: str
    collection: str
    aliases: Sequence[str]
    origin: str
    points: int
    records: int
    foreign_points: int
    unknown_points: int
    sources: Sequence[SourceStatus]
    vectors: Sequence[VectorStatus]
    layout: str
    context: str
    mean_characters: float
    longest_characters: int
    migrating_to: str | None
    migrating_others: Mapping[str, Any]
    superseded: Sequence[str]
    bulk_load: bool
    bytes_on_disk: int | None


def list_collections(collections: StoredCollections) -> list[CollectionEntry]:
    """Describe every collection of a target in short.

    Raises:
        TargetError: the store cannot be reached.
    """
    return [_entry(collections, name) for name in collections.names()]


def collection_status(
    collections: StoredCollections, collection: str, *, on_progress: Callable[[int, int], None] | None = None
) -> CollectionStatus:
    """Read the state of a collection, in one pass over its payloads; the memory is that of a page of points.

    Args:
        collections: Of the target.
        collection: The name of one, or an alias.
        on_progress: Called after each page with the points read and about how many there are.

    Raises:
        TargetError: there is no such collection, or the store cannot be reached.
    """
    name = collections.resolve(collection)
    description = collections.describe(name)
    identity = description.identity
    tally = _tally(collections.sink(name), on_progress)
    replaced = [identity.superseded, identity.superseded_others] if identity else []
    return CollectionStatus(
        target=collections.target,
        collection=name,
        aliases=collections.aliases(name),
        origin=_origin(description),
        points=tally.points,
        records=tally.records.total(),
        foreign_points=tally.foreign,
        unknown_points=tally.unknown,
        sources=tally.sources(identity.sources if identity else {}),
        vectors=_vectors(description),
        layout=identity.layout if identity else "",
        context=(identity.context if identity else None) or "none",
        mean_characters=round(tally.characters / max(1, tally.chunks.total()), 1),
        longest_characters=tally.longest,
        migrating_to=identity.migrating_to if identity else None,
        migrating_others=identity.migrating_others if identity else {},
        superseded=[one or "the one without a name" for some in replaced for one in some],
        bulk_load=identity is not None and identity.bulk_load is not None,
        bytes_on_disk=collections.bytes_on_disk(name),
    )


class _Tally:
    """Counts of a collection's points; a record is counted by its first chunk, which is there if another one is."""

    def __init__(self) -> None:
        self.points = self.foreign = self.unknown = self.characters = self.longest = 0
        self.records: Counter[str] = Counter()
        self.chunks: Counter[str] = Counter()

    def add(self, page: Sequence[StoredChunk]) -> None:
        self.points += len(page)
        for chunk in page:
            if chunk.is_foreign or not chunk.source_id:
                self.foreign += chunk.is_foreign
                self.unknown += not chunk.is_foreign
                continue
            self.chunks[chunk.source_name] += 1
            self.records[chunk.source_name] += chunk.index == 0
            self.characters += len(chunk.text)
            self.longest = max(self.longest, len(chunk.text))

    def sources(self, roots: Mapping[str, str]) -> list[SourceStatus]:
        names = sorted({*roots, *self.chunks})
        return [SourceStatus(name, roots.get(name, ""), self.records[name], self.chunks[name]) for name in names]


def _tally(sink: Sink, on_progress: Callable[[int, int], None] | None) -> _Tally:
    tally, total = _Tally(), sink.count(exact=False)
    for page in sink.scan():
        tally.add(page)
        if on_progress:
            on_progress(tally.points, max(total, tally.points))
    return tally


def _entry(collections: StoredCollections, name: str) -> CollectionEntry:
    description, points, problem = collections.describe(name), None, ""
    try:
        points = collections.points(name)
    except TargetError as error:  # of a folder, another process may have one collection open: the others are listed
        problem = str(error)
    identity = description.identity
    dense = description.vectors.get(identity.vector if identity else "")
    return CollectionEntry(
        name,
        points,
        dense.dimension if dense else None,
        identity.fingerprint if identity else None,
        _origin(description),
        collections.aliases(name),
        problem,
    )


def _origin(description: Description) -> str:
    if description.identity is not None:
        return "ingest"
    return "another program" if description.schema is None else "another release"


def _vectors(description: Description) -> list[VectorStatus]:
    identity = description.identity
    if identity is None:
        return [
            VectorStatus("dense", name, "", None, one.dimension, one.distance, one.datatype)
            for name, one in description.vectors.items()
        ]
    dense = description.vectors.get(identity.vector)
    distance, datatype = (dense.distance, dense.datatype) if dense else ("", "")
    fingerprint = identity.fingerprint
    model = name_of_prepared(fingerprint, identity.dimension)
    first = VectorStatus("dense", identity.vector, fingerprint, model, identity.dimension, distance, datatype)
    return [first, *(_other(identity, kind, name) for kind, name in other_vector_names(identity).items())]


def _other(identity: CollectionIdentity, kind: str, name: str) -> VectorStatus:
    if kind == BM25:
        return VectorStatus(kind, name, settings=identity.sparse_settings)
    fingerprint = (identity.late if kind == _LATE else identity.sparse) or ""
    dimension = identity.late_dimension if kind == _LATE else None
    return VectorStatus(kind, name, fingerprint, name_of_prepared(fingerprint, dimension or 1), dimension)
