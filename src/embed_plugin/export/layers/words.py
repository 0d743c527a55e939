"""The embeddings of tokens without their positions: words, and the segments of a query and a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from embed_plugin.export.onnx_graph.builder import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource

SEGMENT = "segments"
"""Name of each token's segment, 0 or 1."""


def look_up_words(
    graph: GraphBuilder, weights: WeightSource, *, has_segments: bool = True, reads_segments: bool = False
) -> str:
    """Look up each token's row, and add that of its segment: ``(n, length, channels)``.

    Args:
        graph: The steps are added to it.
        weights: The checkpoint's tensors.
        has_segments: There are segment embeddings.
        reads_segments: Tokens of the second segment have ids that are larger by the number of words; else all tokens
            are of the first one.
    """
    words = weights("embeddings.word_embeddings.weight")
    if not has_segments:
        return graph.node("Gather", "words", graph.weight("words.table", words), INPUT)
    segments = weights("embeddings.token_type_embeddings.weight")
    words += segments[0]  # in place: a large table is there once
    ids = ids_of_words(graph, len(words)) if reads_segments else INPUT
    found = graph.node("Gather", "words", graph.weight("words.table", words), ids)
    return add_segments(graph, found, segments[1] - segments[0]) if reads_segments else found


def ids_of_words(graph: GraphBuilder, words: int) -> str:
    """The ids less what the second segment adds to them; the segment, 0 or 1, is the value :data:`SEGMENT`."""
    rows = graph.weight("words.rows", words, np.int64)
    segment = graph.node("Div", SEGMENT, INPUT, rows)
    return graph.node("Sub", "words.ids", INPUT, graph.node("Mul", "segments.first_id", segment, rows))


def add_segments(graph: GraphBuilder, embedded: str, difference: npt.NDArray[np.float32]) -> str:
    """Add the difference of both segments' rows to the tokens of the second: a table of two rows would be rounded."""
    axis = graph.weight("segments.axis", [2], np.int64)
    is_second = graph.node("Cast", "segments.second", SEGMENT, to=TensorProto.FLOAT)
    column = graph.node("Unsqueeze", "segments.column", is_second, axis)
    added = graph.node("Mul", "segments.rows", column, graph.weight("segments.difference", difference))
    return graph.node("Add", "embeddings.with_segments", embedded, added)
