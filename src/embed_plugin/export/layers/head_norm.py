"""A norm of every head of queries or keys, before they are rotated (Qwen3, Gemma 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder


def head_norm(
    graph: GraphBuilder, name: str, value: str, scale: npt.NDArray[np.float32], epsilon: float, heads: int
) -> str:
    """Write the RMS norm of each head of ``(n, length, heads * d)``, whose scale ``(d,)`` all heads share."""
    by_head = graph.weight(f"{name}.by_head.shape", [0, 0, heads, len(scale)], np.int64)
    normed = graph.rms_norm(name, graph.node("Reshape", f"{name}.by_head", value, by_head), scale, epsilon)
    whole = graph.weight(f"{name}.whole.shape", [0, 0, heads * len(scale)], np.int64)
    return graph.node("Reshape", f"{name}.whole", normed, whole)
