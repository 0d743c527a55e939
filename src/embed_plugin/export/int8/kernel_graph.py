"""Write the INT8 graph that :mod:`embed_plugin.kernels` runs, for the CPUs that they support.

It has the integers and scales of the plain graph, other operators, and fewer passes over memory: adding a residual,
normalising and quantising is one operator, attention and quantising another, and a product computes the GELU and the
quantising behind it before it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from embed_plugin.export.int8.fused_operators import FusedOperator, FusedOperators
from embed_plugin.export.int8.quantise import QuantisedWeight, Quantiser
from embed_plugin.kernels import DOMAIN

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx

    from embed_plugin.export.int8.calibrate import Ranges

PANEL_COLUMNS = 16
"""Columns of a weight that are stored together: a vector register holds a sum for each."""

GROUP_ROWS = 4
"""Rows of a weight that are stored together: one instruction adds up four products."""


def kernel_graph(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """Quantise a graph, for the kernels.

    Args:
        model: The fp32 graph; it is not changed.
        ranges: The ranges that the plain graph was quantised with.
    """
    return _KernelQuantiser(model, ranges).run()


class _KernelQuantiser(Quantiser):
    """Writes the kernels' operators where they fit, and onnxruntime's elsewhere."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        super().__init__(model, ranges)
        find = FusedOperators(self, {name: len(found.low) for name, found in ranges.items()})
        self.activated = find.activated_products()
        self.fused = find.fused()
        self.replaced = {node.name for fused in self.fused.values() for node in fused.replaced}
        self.replaced.update(self.activated.values())

    def run(self) -> onnx.ModelProto:
        model = super().run()
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        return model

    def other(self, node: onnx.NodeProto) -> None:
        """Write a node that is not a product: fused with others, or as it was."""
        if fused := self.fused.get(node.output[0]):
            self.fused_operator(node.output[0], fused)
        elif node.name not in self.replaced:
            super().other(node)

    def fused_operator(self, value: str, fused: FusedOperator) -> None:
        """Write an operator that gives a value as uint8."""
        self.quantised[value] = self.scale_and_zero(value)
        inputs = [*fused.inputs, *self.quantised[value], *self.channels_and_offsets(value)]
        outputs = [*([value] if fused.gives_value else ()), f"{value}.uint8"]
        self.nodes.append(
            helper.make_node(fused.name, inputs, outputs, name=value, domain=DOMAIN, **fused.attributes)  # type: ignore[arg-type]
        )

    def product_node(self, value: str, output: str, weight: QuantisedWeight) -> onnx.NodeProto:
        """A product, with the GELU and the quantising behind it where they follow."""
        read = self.range_of(value)
        inputs = [
            f"{value}.uint8",
            self.constant(f"{output}.weight.packed", packed(weight.rows)),
            self.constant(f"{output}.correction", -read.zero * weight.rows.sum(axis=1, dtype=np.int32)),
            self.constant(f"{output}.multiplier", (weight.scales.astype(np.float64) * read.scale).astype(np.float32)),
            self.constant(f"{output}.bias.float", weight.bias),
        ]
        activated = self.activated.get(output)
        if activated is None:
            return helper.make_node("QuantisedProduct", inputs, [output], name=output, domain=DOMAIN)
        self.quantised[activated] = self.scale_and_zero(activated)
        inputs += self.quantised[activated]
        return helper.make_node("ProductGeluQuantise", inputs, [f"{activated}.uint8"], name=output, domain=DOMAIN)


def packed(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Pack a weight as the kernels read it: ``(out, in)`` to ``(panels, groups, 16 * 4)``, filled up with zeros.

    A panel is 16 outputs, a group four inputs; in a group the four inputs of an output lie side by side.
    """
    outputs, inputs = rows.shape
    filled = np.pad(rows, ((0, -outputs % PANEL_COLUMNS), (0, -inputs % GROUP_ROWS)))
    panels = filled.reshape(-1, PANEL_COLUMNS, filled.shape[1] // GROUP_ROWS, GROUP_ROWS)
    return np.ascontiguousarray(panels.transpose(0, 2, 1, 3)).reshape(len(panels), -1, PANEL_COLUMNS * GROUP_ROWS)
