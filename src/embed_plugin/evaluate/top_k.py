"""Keep the k best documents of each query while a corpus is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


class TopK:
    """Keeps, for each of ``rows`` queries, the ``k`` documents with the highest scores seen so far.

    Of equal scores the larger document id is kept, as :func:`~embed_plugin.evaluate.metrics.rank_documents` orders
    them, so that neither the order of the corpus nor where it was cut into blocks changes the outcome. Holds
    ``rows * k`` pairs, however many documents are added.
    """

    def __init__(self, rows: int, *, k: int) -> None:
        self._k = k
        self._ranked: list[list[tuple[float, str]]] = [[] for _ in range(rows)]
        self._lowest = np.full(rows, -np.inf, dtype=np.float32)

    def add(self, scores: npt.NDArray[np.float32], ids: Sequence[str]) -> None:
        """Add a block of documents.

        Args:
            scores: float32 ``(rows, len(ids))``; a document whose score is minus infinity is not kept.
            ids: Their ids.
        """
        entering = (scores >= self._lowest[:, np.newaxis]) & (scores > -np.inf)
        for row in np.flatnonzero(entering.any(axis=1)):
            columns = np.flatnonzero(entering[row])
            self._merge(int(row), scores[row, columns], [ids[column] for column in columns.tolist()])

    def ranked(self, row: int) -> list[tuple[str, float]]:
        """The (document id, score) pairs of a query, best first."""
        return [(document, score) for score, document in self._ranked[row]]

    def _merge(self, row: int, scores: npt.NDArray[np.float32], ids: Sequence[str]) -> None:
        if len(ids) > self._k:  # sort only what can stay: equal scores at the edge included
            best = np.flatnonzero(scores >= np.partition(scores, -self._k)[-self._k])
            scores, ids = scores[best], [ids[column] for column in best.tolist()]
        ranked = sorted([*self._ranked[row], *zip(scores.tolist(), ids, strict=True)], reverse=True)[: self._k]
        self._ranked[row] = ranked
        if len(ranked) == self._k:
            self._lowest[row] = ranked[-1][0]
