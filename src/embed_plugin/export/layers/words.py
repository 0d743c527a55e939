"""The embeddings of encoders that have no table of positions: words and segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.onnx_graph.builder import INPUT

if TYPE_CHECKING:
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource


def look_up_words(graph: GraphBuilder, weights: WeightSource) -> str:
    """Look up each token's row: ``(n, length, channels)``; that of the first segment, every token's, is in it."""
    words = weights("embeddings.word_embeddings.weight")
    words += weights("embeddings.token_type_embeddings.weight")[0]  # in place: a large table is there once
    return graph.node("Gather", "words", graph.weight("words.table", words), INPUT)
