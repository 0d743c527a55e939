"""Mixture of experts: each token goes through the few feed-forward layers that a router chooses for it.

Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from embed_plugin.export.layers.activation import activate

if TYPE_CHECKING:
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource


@dataclass(frozen=True)
class Experts:
    """The experts of a layer: ``bias + sum(share * w2(activation(w1(x))))`` over those of the largest shares.

    A share is the expert's part of the softmax over all experts; the chosen ones are not scaled to a sum of 1. An
    expert reads the tokens that chose it alone, so the work is that of the chosen ones. A token's sum is in the order
    of the experts, whichever tokens are beside it.

    Attributes:
        count: Experts of a layer.
        chosen: Experts of a token.
        activation: Of every expert.
    """

    count: int
    chosen: int
    activation: Activation

    def write(self, graph: GraphBuilder, weights: WeightSource, name: str, value: str) -> str:
        """Write the experts of one layer, ``(n, length, channels)`` to the same."""
        bias = weights(f"{name}.experts.bias")
        flat = graph.node("Reshape", f"{name}.tokens", value, graph.weight(f"{name}.flat", [-1, len(bias)], np.int64))
        shares, chosen = self._route(graph, weights, name, flat)
        wide, narrow = (np.split(weights(f"{name}.experts.mlp.{part}"), self.count) for part in ("w1", "w2"))
        shape = graph.node("Shape", f"{name}.tokens.shape", flat)
        summed = graph.node("Expand", f"{name}.summed", graph.weight(f"{name}.bias", bias), shape)
        for index in range(self.count):
            expert = f"{name}.expert.{index}"
            rows, taking = self._tokens_of(graph, expert, index, shares, chosen)
            given = graph.node("Gather", f"{expert}.tokens", flat, rows, axis=0)
            opened = graph.product(f"{expert}.wide", given, wide[index])
            active = activate(graph, f"{expert}.activation", self.activation, opened)
            fed = graph.product(f"{expert}.narrow", active, narrow[index].T)
            part = graph.node("Mul", f"{expert}.part", fed, taking)
            places = graph.node("Unsqueeze", f"{expert}.places", rows, _axis(graph, 1))
            summed = graph.node("ScatterND", f"{expert}.summed", summed, places, part, reduction="add")
        return graph.node("Reshape", f"{name}.mixed", summed, graph.node("Shape", f"{name}.shape", value))

    def _route(self, graph: GraphBuilder, weights: WeightSource, name: str, flat: str) -> tuple[str, str]:
        """The largest shares of each token and the numbers of their experts, ``(tokens, chosen)``.

        The product is a Gemm, which INT8 leaves alone: it is a thousandth of the work, and a rounded one would send
        tokens to other experts.
        """
        weight = graph.weight(f"{name}.router.weight", weights(f"{name}.router.layer.weight"))
        logits = graph.node("Gemm", f"{name}.router", flat, weight, transB=1)
        shares = graph.node("Softmax", f"{name}.shares", logits, axis=-1)
        most = graph.weight(f"{name}.most", [self.chosen], np.int64)
        largest = f"{name}.largest", f"{name}.chosen"
        graph.nodes.append(helper.make_node("TopK", [shares, most], list(largest), name=f"{name}.largest", axis=-1))
        return largest

    def _tokens_of(self, graph: GraphBuilder, expert: str, index: int, shares: str, chosen: str) -> tuple[str, str]:
        """The rows of the tokens that chose an expert, ``(rows,)``, and its share of each, ``(rows, 1)``."""
        is_it = graph.node("Equal", f"{expert}.is_it", chosen, graph.weight(f"{expert}.index", index, np.int64))
        nothing = graph.constant("experts.nothing", lambda: np.float32(0))
        kept = graph.node("Where", f"{expert}.kept", is_it, shares, nothing)
        share = graph.node("ReduceSum", f"{expert}.share", kept, _axis(graph, 1), keepdims=0)
        rows = graph.node("NonZero", f"{expert}.found", share)
        rows = graph.node("Squeeze", f"{expert}.rows", rows, _axis(graph, 0))
        taking = graph.node("Gather", f"{expert}.taking", share, rows, axis=0)
        return rows, graph.node("Unsqueeze", f"{expert}.column", taking, _axis(graph, 1))


def _axis(graph: GraphBuilder, axis: int) -> str:
    """The number of an axis, written once a graph."""
    name = f"experts.axis.{axis}"
    return name if graph.has(name) else graph.weight(name, [axis], np.int64)
