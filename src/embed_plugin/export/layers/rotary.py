"""Positions as rotations of queries and keys (Su et al., "RoFormer", 2021).

Channel ``i`` of a head turns together with channel ``i + d / 2``, by the position times a frequency of the pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder


def frequencies(theta: float, size: int) -> npt.NDArray[np.float64]:
    """``theta ** (-2 i / size)``: the angle by which each pair of a head's channels turns from a token to the next."""
    return np.asarray(1.0 / theta ** (np.arange(0, size, 2, dtype=np.float64) / size))


@dataclass(frozen=True)
class Rotations:
    """The rotations of some layers of a model.

    Attributes:
        name: Of the tables in the graph: layers of one name share them.
        frequencies: ``(d / 2,)``, by :func:`frequencies`, scaled where the model scales them.
        positions: Rows of the tables: the most tokens of a text.
        factor: Factor of both tables ("attention factor" of scaled rotations).
    """

    name: str
    frequencies: npt.NDArray[np.float64]
    positions: int
    factor: float = 1.0

    def write(self, graph: GraphBuilder, value: str, *, heads: int) -> str:
        """Turn queries or keys ``(n, length, heads * d)`` by their positions."""
        return graph.node(
            "RotaryEmbedding",
            f"{value}.rotated",
            value,
            *self._tables(graph),
            domain="com.microsoft",
            num_heads=heads,
        )

    def _tables(self, graph: GraphBuilder) -> tuple[str, str, str]:
        """The first position, cosines and sines: ``(positions, d / 2)``, the angle of every pair of channels."""
        start, cosines, sines = (f"{self.name}.{part}" for part in ("start", "cosines", "sines"))
        if not graph.has(start):
            angles = np.arange(self.positions)[:, None] * self.frequencies
            graph.weight(start, [0], np.int64)
            graph.weight(cosines, np.cos(angles) * self.factor)
            graph.weight(sines, np.sin(angles) * self.factor)
        return start, cosines, sines
