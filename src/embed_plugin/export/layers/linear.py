"""Linear layers of a checkpoint, with or without a bias, alone or several in one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.export.layers.attention import split_projection

if TYPE_CHECKING:
    from embed_plugin.export.onnx_graph.builder import GraphBuilder, WeightSource


@dataclass(frozen=True)
class Linears:
    """Writes linear layers.

    Attributes:
        graph: They are added to it.
        weights: The checkpoint's tensors.
    """

    graph: GraphBuilder
    weights: WeightSource

    def write(self, name: str, value: str, *, has_bias: bool) -> str:
        """One linear layer."""
        weight = self.weights(f"{name}.weight")
        if not has_bias:
            return self.graph.product(name, value, weight)
        return self.graph.linear(name, value, weight, self.weights(f"{name}.bias"))

    def split(self, name: str, values: dict[str, str], *, has_bias: bool) -> list[str]:
        """Linear layers of one width, whose rows are one matrix in the checkpoint; each is a product of its own.

        Args:
            name: Of the matrix.
            values: What each part reads, by the part's name, in the order of the matrix.
            has_bias: There is a bias, with the parts in the same order.
        """
        weight = self.weights(f"{name}.weight")
        sizes = (len(weight) // len(values),) * len(values)
        weights = split_projection(weight, sizes)
        parts = [(f"{name}.{part}", value) for part, value in values.items()]
        if not has_bias:
            return [self.graph.product(*part, rows) for part, rows in zip(parts, weights, strict=True)]
        biases = split_projection(self.weights(f"{name}.bias"), sizes)
        return [self.graph.linear(*part, *each) for part, *each in zip(parts, weights, biases, strict=True)]
