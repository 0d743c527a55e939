"""What a sink asks of Qdrant, whichever backend runs it: a server, qdrant-client's local mode or qdrant-edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from embed_plugin.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.description import Description
    from embed_plugin.ingest.stores.qdrant.bm25 import SparseVector
    from embed_plugin.types import Vectors

SPARSE_VECTOR = "bm25"
"""The name of the sparse vector of a point. The dense one has none, as LangChain and LlamaIndex expect, until a
migration puts one with a name in its place."""


def one_process_only(target: str) -> TargetError:
    """Why a backend does not pickle."""
    return TargetError(
        f"{target} can be open in one process only, so no other can store there: take a Qdrant server (http://HOST:6333)"
    )


@dataclass(frozen=True)
class PointBatch:
    """Points to store.

    Attributes:
        ids: Of each.
        vectors: float32 ``(n, dimension)``.
        payloads: Of each.
        sparse: Of each, where the collection has sparse vectors.
        name: Of the dense vector.
    """

    ids: Sequence[str]
    vectors: Vectors
    payloads: Sequence[Mapping[str, Any]]
    sparse: Sequence[SparseVector] | None = None
    name: str = ""


class FoundPoint(NamedTuple):
    """A point that is stored; its vector only where it was asked for."""

    id: str
    payload: Mapping[str, Any]
    vector: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Page:
    """What a scroll asks for.

    Attributes:
        offset: The id of the first point; None from the beginning.
        vector: The name of the dense vector to bring along; None for none.
        without: Only points that lack the vector of this name; None for all.
        limit: Most points.
    """

    offset: str | None = None
    vector: str | None = None
    without: str | None = None
    limit: int = 512

    @property
    def vectors(self) -> bool | list[str]:
        """The vectors to ask for: none, those of the name, or all, among them the one without a name."""
        return [self.vector] if self.vector else self.vector is not None


class Backend(Protocol):
    """A place with collections; every method may be called from several threads, and raises TargetError.

    Pickling one connects anew where it is unpickled, or raises TargetError where only one process may have it open.

    Attributes:
        target: What messages call the place.
        requests_in_flight: How many requests gain from being sent at once.
        advised_points: From how many points in a collection another backend is advised; None for any number.
        supported: Names of the collection settings that mean something here.
    """

    target: str
    requests_in_flight: int
    advised_points: int | None
    supported: frozenset[str]

    def describe(self, collection: str) -> Description | None:
        """What the collection is; None where there is none."""

    def create(self, collection: str, identity: CollectionIdentity, settings: CollectionSettings) -> None:
        """Make a collection, with its indexes, and write the identity on it."""

    def update(self, collection: str, identity: CollectionIdentity, *, indexing_threshold: int | None = None) -> None:
        """Write the identity anew, and in the same step from how many kB a segment is indexed (0: never)."""

    def drop(self, collection: str) -> None:
        """Remove a collection with all that is in it."""

    def retrieve(self, collection: str, ids: Sequence[str], keys: Sequence[str]) -> list[FoundPoint]:
        """The points with these ids, as far as they are there, with these keys of their payloads."""

    def upsert(self, collection: str, points: PointBatch) -> None:
        """Store points; on return they are safe.

        Raises:
            RefusedContentError: one of them cannot be stored.
        """

    def overwrite_payloads(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the whole payload of points, by id."""

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points, as far as they are there."""

    def scroll(self, collection: str, page: Page) -> tuple[list[FoundPoint], str | None]:
        """A page of the collection, and where the next one starts; None after the last."""

    def query(
        self,
        collection: str,
        vector: npt.NDArray[np.float32],
        *,
        limit: int,
        sparse: SparseVector | None = None,
        name: str = "",
    ) -> list[tuple[float, FoundPoint]]:
        """The nearest points by the dense vector of a name, best first.

        With a sparse vector, both rankings are fused by reciprocal rank.
        """

    def add_vector_name(self, collection: str, name: str, dimension: int) -> None:
        """Let points have another dense vector, compared by cosine; if they may already, nothing changes."""

    def drop_vector_name(self, collection: str, name: str) -> None:
        """Remove the dense vectors of a name from all points."""

    def set_vectors(self, collection: str, points: PointBatch) -> None:
        """Give stored points a dense vector; their payloads and other vectors stay."""

    def count(self, collection: str) -> int:
        """Number of points."""

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""

    def interrupt(self) -> None:
        """Let no request wait any longer to be tried again, from now on: it fails with what it last was told."""

    def close(self) -> None:
        """Let go of the place."""


def pages(backend: Backend, collection: str, page: Page) -> Iterator[list[FoundPoint]]:
    """A page of a collection and all that follow, without empty ones."""
    more = True
    while more:
        points, offset = backend.scroll(collection, page)
        page, more = replace(page, offset=offset), offset is not None
        if points:
            yield points
