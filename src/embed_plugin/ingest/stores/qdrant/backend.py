"""The port of Qdrant's backends: a server or local mode by qdrant-client, or qdrant-edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from embed_plugin.collection_identity import BM25
from embed_plugin.errors import InvalidInputError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.filter import Condition
    from embed_plugin.ingest.stores.qdrant.bm25 import SparseVector
    from embed_plugin.max_sim import TokenVectors
    from embed_plugin.types import Vectors

BM25_VECTOR = "bm25"
"""The name of a point's sparse vector of BM25. The dense one has no name, as LangChain and LlamaIndex expect, until a
migration replaces it by one with a name."""

LEARNED_VECTOR = "sparse"
"""The name of a point's sparse vector that a model made."""

TOKENS_VECTOR = "late"
"""The name of a point's vectors of its tokens, a multivector."""

FUSED_AT_LEAST = 100
"""Points of each ranking that are fused: the reciprocal ranks of the rest are next to nothing."""


def bytes_of(vector: OtherVector) -> int:
    """The bytes of a vector's numbers."""
    return 8 * len(vector.indices) if isinstance(vector, tuple) else vector.nbytes


def sparse_vector_name(identity: CollectionIdentity) -> str | None:
    """The name of a collection's sparse vectors; None if it has none."""
    return next((name for kind, name in other_vector_names(identity).items() if kind != TOKENS_VECTOR), None)


def tokens_vector_name(identity: CollectionIdentity) -> str:
    """The name of a collection's vectors of tokens, if it has some."""
    return identity.late_vector or TOKENS_VECTOR


def other_vector_names(identity: CollectionIdentity) -> dict[str, str]:
    """The names of a collection's vectors beside the dense one, by their kind: ``bm25`` or ``sparse``, and ``late``."""
    found: dict[str, str] = {}
    if identity.sparse is not None:
        kind = BM25_VECTOR if identity.sparse == BM25 else LEARNED_VECTOR
        found[kind] = identity.sparse_vector or kind
    if identity.late is not None:
        found[TOKENS_VECTOR] = tokens_vector_name(identity)
    return found


OtherVector: TypeAlias = "SparseVector | TokenVectors"
"""A vector beside the dense one: a sparse one, or those of tokens, float32 ``(tokens, dimension)``."""


NamedVectors: TypeAlias = "Mapping[str, OtherVector]"
"""Vectors of one point, by their names; a dense one is float32 ``(dimension,)``."""


class Ranking(NamedTuple):
    """A query for one ranking of points.

    Attributes:
        vector: What the points' vectors of that name are compared with: float32 ``(dimension,)``, or of another kind.
        name: The name of those vectors.
    """

    vector: npt.NDArray[np.float32] | SparseVector
    name: str = ""


class AddedVectors(NamedTuple):
    """A kind of vectors that is added to a collection.

    Attributes:
        name: Their name.
        dimension: Their length; None for sparse vectors.
        several: Whether a point has several, compared by max-sim of dot products; one is compared by its cosine.
        idf: Whether sparse vectors are compared with the words' rarity, as those of BM25.
    """

    name: str
    dimension: int | None = None
    several: bool = False
    idf: bool = False


def one_process_only(target: str) -> TargetError:
    """The error of pickling a backend that only one process may have open."""
    return TargetError(
        f"{target} can be open in one process only, so no other can store there: take a Qdrant server (http://HOST:6333)"
    )


def plain_ids(ids: Iterable[str]) -> list[int | str | UUID]:
    """Point ids as Qdrant has them: whole numbers, which other programs use, are no strings there."""
    return [int(one) if one.isdecimal() else one for one in ids]


@dataclass(frozen=True)
class PointBatch:
    """Points to store.

    Attributes:
        ids: The ids.
        vectors: The dense vectors, float32 ``(n, dimension)``.
        payloads: The payloads.
        others: The vectors of each point beside the dense one, by name, if the collection has some.
        name: The name of the dense vector.
    """

    ids: Sequence[str]
    vectors: Vectors
    payloads: Sequence[Mapping[str, Any]]
    others: Sequence[Mapping[str, OtherVector]] | None = None
    name: str = ""

    def parts(self, most: int) -> Iterator[PointBatch]:
        """The batch in parts of at most so many points."""
        for start in range(0, len(self.ids), most):
            rows = slice(start, start + most)
            others = None if self.others is None else self.others[rows]
            yield replace(
                self, ids=self.ids[rows], vectors=self.vectors[rows], payloads=self.payloads[rows], others=others
            )


class FoundPoint(NamedTuple):
    """A stored point, its id as a string; with its vector only if that was requested."""

    id: str
    payload: Mapping[str, Any]
    vector: npt.NDArray[np.float32] | None = None


def wanted_vectors(name: str | None) -> bool | list[str]:
    """The vectors to request: those of the name, which is empty for the one without a name, or none."""
    return False if name is None else [name]


@dataclass(frozen=True)
class Page:
    """A request for one page of a scroll.

    Attributes:
        offset: The id of the first point; None for the beginning.
        vector: The name of the dense vector to return; None for none.
        without: Only points without the vector of this name; None for all.
        limit: Maximum number of points.
    """

    offset: str | None = None
    vector: str | None = None
    without: str | None = None
    limit: int = 512

    @property
    def vectors(self) -> bool | list[str]:
        """The vectors to request."""
        return wanted_vectors(self.vector)


class Backend(Protocol):
    """A Qdrant with its collections. Every method may be called from several threads, and raises TargetError.

    A backend is pickled as its address and connects when it is unpickled; pickling raises TargetError if only one
    process may have it open.

    Attributes:
        target: The name of this Qdrant in messages.
        requests_in_flight: Number of concurrent requests that is fastest.
        advised_points: Points of a collection above which another backend is advised; None for no limit.
        supported: Names of the collection settings that it supports.
    """

    target: str
    requests_in_flight: int
    advised_points: int | None
    supported: frozenset[str]

    def resolve(self, name: str) -> str:
        """The collection of an alias; the name itself if it is no alias."""

    def aliases(self) -> Mapping[str, str]:
        """The collection of each alias; raises TargetError too if this backend has no aliases."""

    def point_alias(self, alias: str, collection: str) -> None:
        """Let an alias stand for this collection; in one step, if it stood for another one."""

    def describe(self, collection: str) -> Description | None:
        """The description of a collection; None if it does not exist."""

    def create(self, collection: str, identity: CollectionIdentity, settings: CollectionSettings) -> None:
        """Create a collection with its indexes and its identity."""

    def update(self, collection: str, identity: CollectionIdentity, *, indexing_threshold: int | None = None) -> None:
        """Replace the identity, and in the same request the size in kB above which segments are indexed (0: never)."""

    def drop(self, collection: str) -> None:
        """Remove a collection with all its points."""

    def retrieve(
        self, collection: str, ids: Sequence[str], keys: Sequence[str], *, vector: str | None = None
    ) -> list[FoundPoint]:
        """The points with these ids, with these keys of their payloads; missing points are left out.

        Args:
            collection: The collection.
            ids: The points' ids.
            keys: Keys of the payload.
            vector: The name of the dense vector to return; None for none.
        """

    def other_vectors(self, collection: str, ids: Sequence[str], name: str) -> dict[str, OtherVector]:
        """The vectors of a name beside the dense one, by id; points without one are left out."""

    def upsert(self, collection: str, points: PointBatch) -> None:
        """Store points; on return they are durable.

        Raises:
            RefusedContentError: one of them cannot be stored.
        """

    def overwrite_payloads(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the whole payload of points, by id."""

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points; missing ones are ignored."""

    def scroll(self, collection: str, page: Page) -> tuple[list[FoundPoint], str | None]:
        """Return a page of the collection and the offset of the next one, None after the last."""

    def query(
        self, collection: str, rankings: Sequence[Ranking], *, limit: int, among: Sequence[Condition] = ()
    ) -> list[tuple[float, FoundPoint]]:
        """Score and point of the best by one ranking, best first; several are fused by reciprocal rank.

        Only points that fulfil all conditions, whose paths are those of the payload, are in any of the rankings.
        """

    def scores_of(self, collection: str, ranking: Ranking, ids: Sequence[str]) -> dict[str, float]:
        """The score of each of some points in a ranking, by id; points without a vector of its name are left out."""

    def fused_points(self, collection: str, limit: int) -> int:
        """Number of points of each ranking that are fused for so many results."""

    def add_vectors(self, collection: str, added: AddedVectors) -> None:
        """Add a kind of vectors to the collection; do nothing if it exists.

        Raises:
            TargetError: the backend cannot add vectors to a collection that exists.
        """

    def drop_vector_name(self, collection: str, name: str) -> None:
        """Remove the vectors of a name from all points; do nothing if there are none."""

    def set_vectors(self, collection: str, vectors: Mapping[str, NamedVectors]) -> None:
        """Set vectors of stored points, by id and name; their payloads and other vectors stay."""

    def count(self, collection: str, *, exact: bool = True) -> int:
        """Number of points; approximate if that is enough, or if the server forbids to count."""

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""

    def interrupt(self) -> None:
        """End all waits for a retry, now and later: a request then fails with its last error."""

    def close(self) -> None:
        """Close it, so that another process may open it."""


def require_support(backend: Backend, settings: CollectionSettings) -> None:
    """Refuse collection settings that the backend does not support.

    Raises:
        InvalidInputError: it does not support one of them.
    """
    if unknown := settings.chosen() - backend.supported:
        names = ", ".join(sorted(unknown)).replace("_", " ")
        message = f"{backend.target} has no {names}: leave that out, or take a Qdrant server (http://HOST:6333)"
        raise InvalidInputError(message)


def pages(backend: Backend, collection: str, page: Page) -> Iterator[list[FoundPoint]]:
    """The pages of a collection from this one on, without empty ones."""
    more = True
    while more:
        points, offset = backend.scroll(collection, page)
        page, more = replace(page, offset=offset), offset is not None
        if points:
            yield points


def batched(ids: Sequence[str], most: int) -> Iterator[list[str]]:
    """Ids in parts of at most so many."""
    for start in range(0, len(ids), most):
        yield list(ids[start : start + most])
