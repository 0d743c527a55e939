"""Word embeddings with a table of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource

WORDS, POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"


def position_table(weights: WeightSource, first: int, positions: int) -> npt.NDArray[np.float32]:
    """The rows of the position table that tokens use, from the first one's on.

    Raises:
        ExportError: the table has another number of them than ``config.json`` says.
    """
    table = weights(POSITIONS)[first:]
    if len(table) != positions:
        found = f"the weights have {len(table)} positions, and config.json says {positions}"
        raise ExportError(f"{found}: take config.json and weights of one model, fetched again")
    return table


def words_at_positions(graph: GraphBuilder, weights: WeightSource, positions: npt.NDArray[np.float32]) -> str:
    """The sum of each token's word embedding and the row of its position: ``(n, length, channels)``."""
    table = graph.weight("positions.table", positions)
    length = graph.node("Shape", "input.length", INPUT, start=1, end=2)
    start, axis = graph.weight("zero", [0], np.int64), graph.weight("positions.axis", [0], np.int64)
    used = graph.node("Slice", "positions", table, start, length, axis)
    words = graph.node("Gather", "words", graph.weight("words.table", weights(WORDS)), INPUT)
    return graph.node("Add", "embeddings", words, used)
