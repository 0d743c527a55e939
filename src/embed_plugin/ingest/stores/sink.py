"""The port of vector stores: one collection that is its own ledger.

To add a store, implement :class:`Store` in a folder beside ``qdrant/`` and open it in ``open.py``. Runs, mirror, verify
and search need only a :class:`Sink`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from embed_plugin.ingest.ids import record_key

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.chunk.context import ContextRule
    from embed_plugin.ingest.records import JSON, Chunk, Rejected
    from embed_plugin.ingest.stores.filter import Conditions
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder
    from embed_plugin.types import Vectors


class Stored(NamedTuple):
    """The hashes of a stored chunk's source, which changes are found by."""

    text_hash: str
    record_hash: str
    metadata_hash: str
    chunk_count: int


@dataclass(frozen=True)
class StoredChunk:
    """A stored chunk, as returned by a scan or a search.

    Attributes:
        id: The point's id.
        source_id: The record's id; empty if ingest did not make the point, or the point is damaged.
        index: Position among the record's chunks.
        stored: The hashes of its source.
        text: Its text.
        metadata: The record's.
        vector: float32 ``(dimension,)``, if it was requested.
        source_name: The record's source.
        file: Name of the record's file in its source; empty if it was read from none.
        is_foreign: Whether another program made the point, such as a framework's store.
        fields: The values of fields that were filled into the document prefix before the text.
    """

    id: str
    source_id: str
    index: int
    stored: Stored
    text: str
    metadata: Mapping[str, JSON]
    vector: npt.NDArray[np.float32] | None = None
    source_name: str = ""
    file: str = ""
    is_foreign: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The record's key in the collection."""
        return record_key(self.source_name, self.source_id)

    @property
    def name(self) -> str:
        """The record's source and id, for messages."""
        return f"{self.source_name}: {self.source_id}" if self.source_name else self.source_id


class Sink(Protocol):
    """One collection of a vector store; every method may be called from several threads at once.

    Every method raises TargetError if the store cannot be reached or refuses, after retries where they may help. Writes
    are durable when a method returns: a killed process loses none of them.
    """

    collection: str
    target: str

    def check(self, encoder: TextEncoder) -> bool:
        """Return whether the collection exists; if it does, check that it holds this encoder's vectors.

        Raises:
            SpaceMismatchError: it holds others: of another fingerprint, dimension, distance or origin.
        """

    @property
    def sources(self) -> Mapping[str, str]:
        """The root of each source by its name, as the collection's identity had them at the last check."""

    @property
    def context(self) -> ContextRule:
        """What is put in front of each chunk's text: the collection's at the last check, or as it will be made."""

    def prepare(self, encoder: TextEncoder, *, sources: Mapping[str, str] | None = None) -> None:
        """Create the collection for this encoder's vectors, or check that the existing one holds them.

        Args:
            encoder: The encoder of the vectors.
            sources: Name and root of the sources to add to the collection's identity.
        """

    def id_of(self, key: str, index: int) -> str:
        """The id of a chunk's point in this collection; see :func:`embed_plugin.ingest.ids.point_id`."""

    def lookup(self, ids: Sequence[str]) -> dict[str, Stored]:
        """The source hashes of the points with these ids; ids that are not stored are left out."""

    def retrieve(self, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredChunk]:
        """The points with these ids, without texts and metadata; ids that are not stored are left out."""

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> list[Rejected]:
        """Store chunks with their vectors ``(n, dimension)``; return those refused for their content."""

    def set_metadata(self, chunks: Sequence[Chunk]) -> None:
        """Replace everything of stored chunks but text and vector."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the points with these ids; missing ones are ignored."""

    def scan(self, *, with_vectors: bool = False) -> Iterator[Sequence[StoredChunk]]:
        """Every point of the collection, a page at a time."""

    def search(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> list[tuple[float, StoredChunk]]:
        """Score and chunk of the nearest points that fulfil all conditions, best first.

        With ``text``, the query's words count too.
        """

    def rankings(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> Mapping[str, Sequence[tuple[float, StoredChunk]]]:
        """The rankings that :meth:`search` fuses, by the kind of their vectors, each best first."""

    def max_sim(self, query: str, model: TextLateInteractionEncoder, ids: Sequence[str]) -> Mapping[str, float]:
        """The max-sim of a query and each of some points, by id; points without token vectors are left out.

        Raises:
            SpaceMismatchError: the collection has no token vectors of this model.
        """

    def compare_others(self, chunks: Sequence[StoredChunk]) -> Mapping[str, Sequence[float] | None]:
        """The cosine of each chunk's stored vector and that of its text made again, by the kind of the vectors.

        The kinds are those of the vectors beside the dense one; None if their model was not given.
        """

    def count(self, *, exact: bool = True) -> int:
        """Number of points in the collection; approximate if that is enough, or if the store forbids to count."""

    def collections(self) -> list[str]:
        """Names of the store's collections."""

    def close(self) -> None:
        """Close the store."""


class Migration(Protocol):
    """The steps of moving a collection to another encoder's space, and its other vectors to other models.

    The progress is read from the collection, so a migration that was stopped is continued by starting it again.

    Attributes:
        without_text: Points that lack a new vector, because their payload has no text.
        made: Number of vectors that were made beside the dense ones in this run, by their kind.
    """

    without_text: int
    made: Counter[str]

    def start(self) -> bool:
        """Make room for the new vectors; returns False if there is nothing to do.

        Until :meth:`finish`, only the migration writes to the collection; searches use the old vectors.

        Raises:
            TargetError: there is no such collection, or none that embed-plugin made.
            SpaceMismatchError: a migration to other models is under way.
        """

    def kinds(self) -> int:
        """The number of times that each point is gone through, for a kind of vector at a time."""

    def unmigrated(self) -> Iterator[Sequence[StoredChunk]]:
        """Chunks without the new dense vector, a page at a time; none if the dense model stays."""

    def add(self, chunks: Sequence[StoredChunk], vectors: Vectors) -> None:
        """Give chunks their new dense vectors, ``(n, dimension)``; on return they are safe."""

    def complete_others(self) -> Iterator[int]:
        """Make the other new vectors that points lack; yields the number of points of each page, which are safe then.

        Raises:
            RecordError: a model refuses a text.
        """

    def finish(self) -> None:
        """Make the new vectors the ones that are searched and written."""

    def drop_old(self) -> list[str]:
        """Remove the vectors that are no longer searched; returns their names."""

    def opened_by(self) -> str:
        """The line of Python that reads the vectors that are searched now, as the layout's own store does."""

    def vectors(self) -> Mapping[str, str]:
        """The names of the vectors that are searched now beside the dense one, by their kind."""


class Store(Sink, Protocol):
    """A sink as :func:`~embed_plugin.ingest.open_sink` opens it; closed at the end of a ``with`` statement."""

    def __enter__(self) -> Self: ...

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None: ...

    def drop(self, *, dry_run: bool = False) -> None:
        """Drop the collection with all its points, if it exists; in a dry run, only check that this may be done."""

    def migration(self, encoder: TextEncoder, *, into: str | None = None, alias: str | None = None) -> Migration:
        """The steps of a move to an encoder's space, in place or into a second collection.

        The other vectors move to the models that the store was opened with.
        """

    def give_up_migration(self) -> list[str]:
        """End a migration in place that was stopped, and remove the vectors that it made; returns their names.

        Raises:
            TargetError: none is under way.
        """
