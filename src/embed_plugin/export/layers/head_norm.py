"""Norms of each head of queries or keys (Henry et al., "Query-Key Normalization for Transformers", 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder


def head_norm(
    graph: GraphBuilder, name: str, value: str, scale: npt.NDArray[np.float32], epsilon: float, heads: int
) -> str:
    """Normalise every head of ``(n, length, heads * d)`` by its root mean square; all share the scale ``(d,)``."""
    split = graph.constant(f"heads.{heads}.{len(scale)}", lambda: np.array([0, 0, heads, len(scale)]), np.int64)
    joined = graph.constant(f"channels.{heads * len(scale)}", lambda: np.array([0, 0, heads * len(scale)]), np.int64)
    parts = graph.node("Reshape", f"{name}.heads", value, split)
    normed = graph.rms_norm(f"{name}.normed", parts, scale, epsilon)
    return graph.node("Reshape", name, normed, joined)
