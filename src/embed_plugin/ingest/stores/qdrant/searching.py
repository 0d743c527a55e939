"""Search a collection of Qdrant by one ranking, by several that are fused, or by the scores of known points."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embed_plugin.ingest.stores.payload_layout import LAYOUTS, chunk_of, payload_path
from embed_plugin.ingest.stores.qdrant.backend import TOKENS_VECTOR, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.filter import Condition
    from embed_plugin.ingest.stores.qdrant.backend import Backend
    from embed_plugin.ingest.stores.qdrant.representations import Representations
    from embed_plugin.ingest.stores.sink import StoredChunk
    from embed_plugin.max_sim import TokenVectors

    Scored = tuple[float, StoredChunk]

DENSE = "dense"
"""The name of the ranking by the dense vector, which has no name itself."""


class Searching:
    """The searches of one collection.

    Args:
        backend: The Qdrant of the collection.
        collection: Its name.
        identity: Its identity; None for one of another program.
        representations: Make the queries of a hybrid search.
        conditions: Only points that fulfil all of them are found.
    """

    def __init__(
        self,
        backend: Backend,
        collection: str,
        identity: CollectionIdentity | None,
        representations: Callable[[], Representations],
        conditions: Sequence[Condition] = (),
    ) -> None:
        self._backend = backend
        self._collection = collection
        self._vector = identity.vector if identity else ""
        self._layout = LAYOUTS[identity.layout if identity else "plain"]
        self._representations = representations
        self._among = [replace(one, path=payload_path(self._layout, one.path)) for one in conditions]

    def search(self, vector: npt.NDArray[np.float32], text: str | None, limit: int) -> list[Scored]:
        """See :meth:`.QdrantSink.search`."""
        return self._found(list(self._asked(vector, text).values()), limit)

    def rankings(self, vector: npt.NDArray[np.float32], text: str | None, limit: int) -> dict[str, list[Scored]]:
        """See :meth:`.QdrantSink.rankings`."""
        asked = self._asked(vector, text)
        each = limit if len(asked) == 1 else self._backend.fused_points(self._collection, limit)
        return {kind: self._found([one], each) for kind, one in asked.items()}

    def max_sim(self, tokens: TokenVectors, ids: Sequence[str]) -> dict[str, float]:
        """See :meth:`.QdrantSink.max_sim`."""
        if not len(tokens):
            return {}
        name = self._representations().names[TOKENS_VECTOR]
        return self._backend.scores_of(self._collection, Ranking(tokens, name), ids)

    def _asked(self, vector: npt.NDArray[np.float32], text: str | None) -> dict[str, Ranking]:
        dense = Ranking(vector, self._vector)
        if text is None:
            return {DENSE: dense}
        found = f"collection {self._collection!r} in {self._backend.target} has"
        return {DENSE: dense, **self._representations().rankings(text, found)}

    def _found(self, asked: Sequence[Ranking], limit: int) -> list[Scored]:
        found = self._backend.query(self._collection, asked, limit=limit, among=self._among)
        return [(score, chunk_of(self._layout, point.id, point.payload)) for score, point in found]
