"""The activations of feed-forward layers, alone and as gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from embed_plugin.export.onnx_graph.builder import GraphBuilder

Activation = Literal["gelu", "gelu_tanh", "relu", "silu"]

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""The activations by their names in ``config.json``."""


def activate(graph: GraphBuilder, name: str, activation: Activation, value: str) -> str:
    """Write an activation."""
    if activation == "relu":
        return graph.node("Relu", name, value)
    if activation == "silu":
        return graph.node("Mul", name, value, graph.node("Sigmoid", f"{name}.sigmoid", value))
    return graph.node("Gelu", name, value, approximate="tanh" if activation == "gelu_tanh" else "none")


def gated(graph: GraphBuilder, name: str, activation: Activation, *, gate: str, value: str) -> str:
    """``activation(gate) * value``: Shazeer, "GLU Variants Improve Transformer", 2020."""
    return graph.node("Mul", name, activate(graph, f"{name}.activation", activation, gate), value)
