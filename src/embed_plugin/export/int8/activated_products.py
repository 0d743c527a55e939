"""Find products whose activation, alone or as a gate, :mod:`embed_plugin.kernels` computes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.export.onnx_graph.edit import attribute

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.int8.fused_operators import FusedOperators
    from embed_plugin.export.layers.activation import Activation

CODES: dict[Activation, int] = {"gelu": 0, "gelu_tanh": 1, "silu": 2, "relu": 3}
"""The activations as the kernels number them."""


@dataclass(frozen=True)
class ActivatedProduct:
    """Products on one value, an activation, and the value that is quantised behind it.

    Attributes:
        value: The value that is quantised.
        products: The product that is activated; or one, and its gate.
        activation: Of the product, or of the gate.
        replaced: The nodes behind the products.
    """

    value: str
    products: tuple[str, ...]
    activation: Activation
    replaced: list[onnx.NodeProto]

    @property
    def is_plain_gelu(self) -> bool:
        """It has an operator of its own."""
        return self.activation == "gelu" and len(self.products) == 1


def activated_products(find: FusedOperators) -> list[ActivatedProduct]:
    """Find the activated products of a graph, whose value only products read."""
    only_quantised = [value for value in find.multiplied if find.readers[value] == find.multiplied[value]]
    found = [_activated(find, value) or _gated(find, value) for value in only_quantised]
    return [product for product in found if product is not None]


def _activated(find: FusedOperators, value: str) -> ActivatedProduct | None:
    """An activation of a product that nothing else reads."""
    node = find.producers.get(value)
    if node is None or not node.input:
        return None
    product, nodes = node.input[0], [node]
    if node.op_type == "Gelu":
        activation: Activation = "gelu_tanh" if attribute(node, "approximate", b"none") == b"tanh" else "gelu"
    elif node.op_type == "Relu":
        activation = "relu"
    elif sigmoid := _sigmoid_of(find, node):
        activation, nodes = "silu", [node, sigmoid]
    else:
        return None
    if product not in find.products or find.readers[product] != len(nodes):
        return None
    return ActivatedProduct(value, (product,), activation, nodes)


def _sigmoid_of(find: FusedOperators, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The Sigmoid of ``x * sigmoid(x)``; None: the node is no such product."""
    if node.op_type != "Mul":
        return None
    sigmoid = find.producers.get(node.input[1])
    if sigmoid is None or sigmoid.op_type != "Sigmoid" or find.readers[sigmoid.output[0]] != 1:
        return None
    return sigmoid if sigmoid.input[0] == node.input[0] else None


def _gated(find: FusedOperators, value: str) -> ActivatedProduct | None:
    """``activation(gate) * value``, as ``layers/activation.py`` writes it, of two products on one value."""
    node = find.producers.get(value)
    if node is None or node.op_type != "Mul":
        return None
    for gate, opened in (node.input, reversed(node.input)):
        activated = _activated(find, gate)
        if activated is None or find.readers[gate] != 1 or opened not in find.products or find.readers[opened] != 1:
            continue
        products = (opened, *activated.products)
        if len({find.sources[product] for product in products}) == 1:
            return ActivatedProduct(value, products, activated.activation, [node, *activated.replaced])
    return None
