"""Find the parts of a graph that one operator of :mod:`embed_plugin.kernels` can do in one pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embed_plugin.export.onnx_graph.edit import attribute, values_read

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.int8.quantise import Quantiser

HEAD_SIZES = range(16, 256 + 1, 16)
"""Channels of an attention head that the kernels take."""

RESIDUALS = ("LayerNormalization", "Slice")
"""Operators that give the residual of a layer: a norm, or its first token. Both have the product's shape."""


@dataclass(frozen=True)
class FusedOperator:
    """One operator that replaces several and gives a value as uint8.

    Attributes:
        name: Of the operator.
        inputs: Its inputs, up to the kept channels.
        replaced: The nodes it replaces; the last gives the value that is quantised.
        gives_value: Whether it also gives the value as float32, first.
        attributes: Of the operator.
    """

    name: str
    inputs: list[str]
    replaced: list[onnx.NodeProto]
    gives_value: bool = False
    attributes: dict[str, float] = field(default_factory=dict)


class FusedOperators:
    """Finds the fusable parts of a graph that will be quantised."""

    def __init__(self, quantiser: Quantiser) -> None:
        """Index the graph of a quantiser, which knows its weight products."""
        graph = quantiser.source.graph
        self.channels = quantiser.channels
        self.producers = {name: node for node in graph.node for name in node.output}
        self.readers = Counter(name for node in graph.node for name in values_read(node))
        self.multiplied = Counter(node.input[0] for node in quantiser.products)
        self.products = {quantiser.output_of(node) for node in quantiser.products}

    def activated_products(self) -> dict[str, str]:
        """Products read by a GELU alone, whose value only products read: the GELU's value by the product's."""
        gelus = [self.producers[value] for value in self.multiplied if self._is_only_quantised(value, "Gelu")]
        return {node.input[0]: node.output[0] for node in gelus if self._can_do(node)}

    def fused(self) -> dict[str, FusedOperator]:
        """The fused operators, by the value that they quantise."""
        found = {value: self._add_norm(value) or self._attention(value) for value in self.multiplied}
        return {value: fused for value, fused in found.items() if fused is not None}

    def _is_only_quantised(self, value: str, operator: str) -> bool:
        """Tell if an operator of this kind gives a value that no node reads as float32."""
        producer = self.producers.get(value)
        return producer is not None and producer.op_type == operator and self.readers[value] == self.multiplied[value]

    def _can_do(self, gelu: onnx.NodeProto) -> bool:
        """Tell if a product can compute this GELU: it is the exact form of the product alone."""
        value = gelu.input[0]
        is_exact = attribute(gelu, "approximate", b"none") == b"none"
        return is_exact and value in self.products and self.readers[value] == 1

    def _add_norm(self, value: str) -> FusedOperator | None:
        """``LayerNormalization(product + residual)``; another sum may broadcast, as words and positions do."""
        norm = self.producers.get(value)
        if norm is None or norm.op_type != "LayerNormalization" or len(norm.input) != len(("value", "scale", "bias")):
            return None
        added = self.producers.get(norm.input[0])
        if added is None or self.readers[norm.input[0]] != 1 or not self._is_residual(added):
            return None
        return FusedOperator(
            "AddNormQuantise",
            [*added.input, *norm.input[1:]],
            [added, norm],
            gives_value=True,
            attributes={"epsilon": attribute(norm, "epsilon", 1e-5)},
        )

    def _is_residual(self, added: onnx.NodeProto) -> bool:
        """Tell if an Add has a weight product and the layer's residual."""
        if added.op_type != "Add" or added.input[0] not in self.products:
            return False
        residual = self.producers.get(added.input[1])
        return residual is not None and residual.op_type in RESIDUALS

    def _attention(self, value: str) -> FusedOperator | None:
        """Attention, in place of the If with both operators."""
        if not self._is_only_quantised(value, "If"):
            return None
        choice = self.producers[value]
        inner = attribute(choice, "else_branch").node
        if len(inner) != 1 or inner[0].op_type != "MultiHeadAttention":
            return None
        heads = attribute(inner[0], "num_heads")
        size, rest = divmod(self.channels[value], heads)
        if rest or size not in HEAD_SIZES:
            return None
        return FusedOperator("AttentionQuantise", list(inner[0].input), [choice], attributes={"num_heads": heads})
