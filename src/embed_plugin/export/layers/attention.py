"""Attention whose mask is a rule of position: every key, the keys before, the keys near, or a bias by distance.

The texts of a run have one length, so there is no padding, and what a token sees depends on positions alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import note

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.export.onnx_graph.builder import GraphBuilder

WINDOW, BIAS = "window", "bias"
"""Notes on the node that gives a mask, for the kernels, which compute it from positions."""


@dataclass(frozen=True)
class Attention:
    """The rule by which the tokens of a model attend.

    Attributes:
        heads: Heads of queries.
        kv_heads: Heads of keys and values, each of which serves ``heads / kv_heads`` heads of queries; None: as many.
        scale: Factor of the scores; None: ``1 / sqrt(channels of a head)``.
        causal: A token sees itself and the tokens before it.
        window: A token sees tokens at most so many positions away; None: any.
        bias: Added to the scaled scores, ``(heads, 2 * positions - 1)``: column ``positions - 1 + j - i`` for query
            ``i`` and key ``j``; None: nothing.
    """

    heads: int
    kv_heads: int | None = None
    scale: float | None = None
    causal: bool = False
    window: int | None = None
    bias: npt.NDArray[np.float32] | None = None

    def write(self, graph: GraphBuilder, name: str, query: str, key: str, value: str) -> str:
        """Write attention of ``(n, length, heads * d)`` queries and ``(n, length, kv_heads * d)`` keys and values."""
        mask = self._mask(graph)
        if not mask and not self.causal and self.scale is None and self.kv_heads in {None, self.heads}:
            return graph.attention(name, query, key, value, heads=self.heads)
        optional: dict[str, object] = {} if self.scale is None else {"scale": self.scale}
        return graph.node(
            "Attention",
            name,
            query,
            key,
            value,
            *([mask] if mask else []),
            q_num_heads=self.heads,
            kv_num_heads=self.kv_heads or self.heads,
            is_causal=int(self.causal),
            **optional,  # type: ignore[arg-type]  # mypy takes it for positional domains
        )

    def _mask(self, graph: GraphBuilder) -> str:
        """Name of the mask of a run, written once a graph; empty where there is none."""
        if self.bias is not None:
            return _bias(graph, self.bias)
        return "" if self.window is None else _window(graph, self.window)


def _distances(graph: GraphBuilder) -> str:
    """``j - i`` for query ``i`` and key ``j``: int32 ``(length, length)``, for there are many of them."""
    name = "attention.distances"
    if not graph.has(name):
        length = graph.node("Shape", "mask.length", INPUT, start=1, end=2)
        length = graph.node("Cast", "mask.tokens", graph.node("Squeeze", "mask.size", length), to=TensorProto.INT32)
        zero, one = graph.weight("mask.zero", 0, np.int32), graph.weight("mask.one", 1, np.int32)
        keys = graph.node("Range", "mask.keys", zero, length, one)
        axis = graph.weight("mask.axis", [1], np.int64)
        graph.node("Sub", name, keys, graph.node("Unsqueeze", "mask.queries", keys, axis))
    return name


def _window(graph: GraphBuilder, window: int) -> str:
    """True where a query sees a key: bool ``(length, length)``."""
    name = f"attention.window.{window}"
    if not graph.has(name):
        away = graph.node("Abs", f"{name}.away", _distances(graph))
        graph.node("LessOrEqual", name, away, graph.weight(f"{name}.most", window, np.int32))
        note(graph.nodes[-1], WINDOW, str(window))
    return name


def _bias(graph: GraphBuilder, table: npt.NDArray[np.float32]) -> str:
    """The bias of a run, float32 ``(1, heads, length, length)``. A model has one table for all of its layers."""
    name = "attention.bias"
    if not graph.has(name):
        origin = graph.weight(f"{name}.origin", table.shape[1] // 2, np.int32)
        column = graph.node("Add", f"{name}.columns", _distances(graph), origin)
        by_head = graph.node("Gather", f"{name}.heads", graph.weight(f"{name}.table", table), column, axis=1)
        graph.node("Unsqueeze", name, by_head, graph.weight(f"{name}.axis", [0], np.int64))
        note(graph.nodes[-1], BIAS, f"{name}.table")
    return name


def split_projection(weight: npt.NDArray[np.float32], sizes: tuple[int, ...]) -> list[npt.NDArray[np.float32]]:
    """Split the rows of one matrix, or the values of one bias, that holds several projections."""
    return np.split(weight, np.cumsum(sizes)[:-1])
