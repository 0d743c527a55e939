"""Disentangled attention: a score has terms of a token and the distance to the other, learned for each layer.

He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2021. Beside the product of query and key, a
score has that of the query with a vector for the distance (content to position), and that of the key with another one
(position to content). Vectors are learned for each distance, or for buckets of distances, logarithmic far away.

The vectors depend on weights alone, so each layer has its table, made at export. A run takes the rows for the distances
in its texts, in order, so that a product gives a text's scores by distance: rows are then shifted against each other,
which is two copies, and gives them by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.export.onnx_graph.builder import INPUT, TO_THE_END

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder

LENGTH = "distances.length"


@dataclass(frozen=True)
class DisentangledAttention:
    """The attention of one layer.

    Attributes:
        heads: Heads of queries, keys and values.
        scale: Factor of the scores.
        rows: Row of the tables for each distance, query minus key, from ``-positions`` to ``positions``.
        by_query: Vectors that queries are multiplied with, ``(rows, channels)``; None: there is no such term.
        by_key: The same for keys.
    """

    heads: int
    scale: float
    rows: npt.NDArray[np.int64]
    by_query: npt.NDArray[np.float32] | None = None
    by_key: npt.NDArray[np.float32] | None = None

    def write(self, graph: GraphBuilder, name: str, query: str, key: str, value: str) -> str:
        """Write attention of ``(n, length, channels)`` queries, keys and values."""
        terms = []
        if self.by_query is not None:
            terms.append(self._term(graph, f"{name}.by_query", query, self.by_query, falling=True))
        if self.by_key is not None:
            by_key = self._term(graph, f"{name}.by_key", key, self.by_key, falling=False)
            terms.append(graph.node("Transpose", f"{name}.by_key.turned", by_key, perm=[0, 1, 3, 2]))
        both = graph.node("Add", f"{name}.by_distance", *terms) if len(terms) > 1 else terms[0]
        return graph.node(
            "Attention",
            name,
            query,
            key,
            value,
            both,
            q_num_heads=self.heads,
            kv_num_heads=self.heads,
            scale=self.scale,
        )

    def _term(
        self, graph: GraphBuilder, name: str, value: str, vectors: npt.NDArray[np.float32], *, falling: bool
    ) -> str:
        """Products of values with the vectors of the distances to all tokens: ``(n, heads, length, length)``.

        Args:
            graph: They are added to it.
            name: Of the term.
            value: Queries or keys.
            vectors: By row.
            falling: The distance falls from a token to the next, as query minus key does from key to key.
        """
        by_head = vectors.reshape(len(vectors), self.heads, -1).swapaxes(0, 1)
        table = graph.weight(f"{name}.table", by_head * np.float32(self.scale))
        near = graph.node("Gather", f"{name}.vectors", table, self._near(graph, falling=falling), axis=1)
        columns = graph.node("Transpose", f"{name}.columns", near, perm=[0, 2, 1])
        shape = graph.constant("distances.heads", lambda: [0, 0, self.heads, by_head.shape[2]], np.int64)
        split = graph.node("Reshape", f"{name}.heads", value, shape)
        tokens = graph.node("Transpose", f"{name}.tokens", split, perm=[0, 2, 1, 3])
        return _shifted(graph, name, graph.node("MatMul", f"{name}.products", tokens, columns))

    def _near(self, graph: GraphBuilder, *, falling: bool) -> str:
        """The rows of the distances in texts of a run's length: ``2 * length``, one more than there are, at the start.

        The distance 0 is in the middle, ``length``.
        """
        name = f"distances.{'falling' if falling else 'rising'}"
        if not graph.has(name):
            positions = len(self.rows) // 2
            ordered = self.rows[:0:-1] if falling else self.rows[:-1]
            length, middle = text_length(graph), graph.constant("distances.middle", lambda: [positions], np.int64)
            if not graph.has("distances.start"):
                graph.node("Sub", "distances.start", middle, length)
                graph.node("Add", "distances.end", middle, length)
            every = graph.weight(f"{name}.rows", ordered, np.int64)
            axis = graph.constant("distances.axis", lambda: [0], np.int64)
            graph.node("Slice", name, every, "distances.start", "distances.end", axis)
        return name


def text_length(graph: GraphBuilder) -> str:
    """Write the number of tokens of a run's texts: int64 ``(1,)``, once a graph."""
    return LENGTH if graph.has(LENGTH) else graph.node("Shape", LENGTH, INPUT, start=1, end=2)


def _shifted(graph: GraphBuilder, name: str, scores: str) -> str:
    """Move each row one column further to the left than the next: ``(n, heads, length, 2 * length)`` to half of it.

    Column ``length + j - i`` of row ``i`` becomes its column ``j``. Rows behind each other are one long row, in which
    that is at ``length + j + i * (2 * length - 1)``.
    """
    length = text_length(graph)
    if not graph.has("shift.rows"):
        graph.weight("shift.flat", [0, 0, -1], np.int64)
        kept, rest = graph.weight("shift.kept", [0, 0], np.int64), graph.weight("shift.rest", [-1], np.int64)
        graph.node("Concat", "shift.rows", kept, length, rest, axis=0)
        for part, at in (("start", 0), ("end", TO_THE_END), ("flat.axis", 2), ("axis", 3)):
            graph.weight(f"shift.{part}", [at], np.int64)
    flat = graph.node("Reshape", f"{name}.flat", scores, "shift.flat")
    later = graph.node("Slice", f"{name}.later", flat, length, "shift.end", "shift.flat.axis")
    rows = graph.node("Reshape", f"{name}.rows", later, "shift.rows")
    return graph.node("Slice", f"{name}.by_token", rows, "shift.start", length, "shift.axis")


def rows_by_distance(positions: int, span: int, *, buckets: int, furthest: int) -> npt.NDArray[np.int64]:
    """Row of the tables for each distance from ``-positions`` to ``positions``.

    Args:
        positions: The most tokens of a text.
        span: Rows of a table for the distances on one side.
        buckets: Buckets on one side; 0: each distance has a row.
        furthest: Number of distances that the buckets share out, on one side.
    """
    distances = np.arange(-positions, positions + 1)
    if buckets:
        distances = _bucket(distances, buckets, furthest)
    return np.clip(distances + span, 0, 2 * span - 1)


def _bucket(distances: npt.NDArray[np.int64], buckets: int, furthest: int) -> npt.NDArray[np.int64]:
    """The bucket of each distance: half of them have one distance each. Logarithms are float32, as in training."""
    exact = buckets // 2
    away = np.abs(distances)
    beyond = np.log(np.maximum(away, exact).astype(np.float32) / np.float32(exact))
    steps = beyond / np.log(np.float32((furthest - 1) / exact)) * np.float32(exact - 1)
    far = np.ceil(steps).astype(np.int64) + exact
    return np.where(away <= exact, distances, far * np.sign(distances))
