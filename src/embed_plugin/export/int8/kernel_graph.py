"""Write the INT8 graph that :mod:`embed_plugin.kernels` runs, for the CPUs that they support.

It has the numbers of the plain graph, other operators, and fewer passes over memory: adding a residual, normalising
and quantising is one operator, attention and quantising another, and a product computes the GELU and quantises it while
it is in a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from embed_plugin.export.int8.fused_operators import FusedOperators
from embed_plugin.export.int8.ordered_sums import ordered_sums
from embed_plugin.export.int8.quantise import CENTRE, QuantisedValue, Quantiser
from embed_plugin.export.onnx_graph.edit import remove_unused
from embed_plugin.kernels import DOMAIN

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.int8.quantise import Quantisation
    from embed_plugin.export.int8.weights import QuantisedWeight

PANEL_COLUMNS = 16
"""Columns of a weight that are stored together: a vector register holds a sum for each."""

GROUP_ROWS = 4
"""Rows of a weight that are stored together: one instruction adds up four products."""


EXACT = frozenset(
    {"Add", "Cast", "Concat", "Div", "Gather", "Mul", "Range", "Shape", "Slice", "Squeeze", "Sub", "Unsqueeze"}
)
"""onnxruntime's operators that move numbers, or round each once: they give the same bits on every CPU."""


def gives_same_bits(graph: Path) -> bool:
    """Tell if every CPU computes the same bits with a graph: with own kernels, and what cannot be otherwise.

    Args:
        graph: The file; False if there is none.
    """
    if not graph.is_file():
        return False
    nodes = onnx.load(graph, load_external_data=False).graph.node
    return all(node.domain == DOMAIN or node.op_type in EXACT for node in nodes)


def kernel_graph(model: onnx.ModelProto, quantisation: Quantisation) -> onnx.ModelProto:
    """Write the INT8 graph for the kernels.

    Args:
        model: The fp32 graph; it is not changed.
        quantisation: The numbers of the plain graph.
    """
    return _KernelQuantiser(model, quantisation).run()


class _KernelQuantiser(Quantiser):
    """Writes the kernels' operators where they fit, and onnxruntime's elsewhere."""

    def __init__(self, model: onnx.ModelProto, quantisation: Quantisation) -> None:
        super().__init__(model, quantisation)
        find = FusedOperators(self)
        self.activated = find.activated_products()
        self.fused = find.fused()
        self.ordered = ordered_sums(model.graph)
        self.replaced = {node.name for fused in self.fused.values() for node in fused.replaced}
        self.replaced.update(self.activated.values())

    def run(self) -> onnx.ModelProto:
        model = super().run()
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        remove_unused(model.graph)
        return model

    def other(self, node: onnx.NodeProto) -> None:
        """Write a node that is not a product: fused with others, or as it was."""
        if fused := self.fused.get(node.output[0]):
            given = (node.output[0],) if fused.gives_value else ()
            self.quantising_node(fused.name, node.output[0], fused.inputs, given, **fused.attributes)
        elif ordered := self.ordered.get(node.output[0]):
            self.node(ordered.operator, node.output[0], *ordered.inputs, domain=DOMAIN, **ordered.attributes)
        elif node.name not in self.replaced:
            super().other(node)

    def quantise_value(self, value: str) -> QuantisedValue:
        """A value that no other operator quantises."""
        self.quantising_node("QuantiseRows", value, [value], ())
        return self.quantised[value]

    def quantising_node(
        self, operator: str, value: str, inputs: list[str], given: tuple[str, ...], **attributes: float
    ) -> None:
        """Write an operator that gives a value as uint8, behind the outputs ``given``."""
        kept = self.integers(f"{value}.kept.channels", list(self.quantisation.kept[value]))
        self.quantised[value] = QuantisedValue(f"{value}.uint8", f"{value}.terms")
        self.nodes.append(
            helper.make_node(
                operator,
                [*inputs, kept],
                [*given, *self.quantised[value][:2]],
                name=f"{value}.{operator}",
                domain=DOMAIN,
                **attributes,  # type: ignore[arg-type]
            )
        )

    def product_nodes(self, value: str, output: str, weight: QuantisedWeight, bias: npt.NDArray[np.float32]) -> None:
        """A product, with the GELU and the quantising behind it where they follow."""
        inputs = [
            *self.quantised[value][:2],
            self.constant(f"{output}.weight.packed", packed(weight.rows)),
            self.constant(f"{output}.correction", -CENTRE * weight.rows.sum(axis=1, dtype=np.int32)),
            self.constant(f"{output}.weight.scale", weight.scales),
            self.constant(f"{output}.term_weights", weight.term_weights),
            self.constant(f"{output}.bias.float", bias),
        ]
        if output in self.activated:
            self.quantising_node("ProductGeluQuantise", self.activated[output], inputs, ())
        else:
            self.node("QuantisedProduct", output, *inputs, domain=DOMAIN)


def packed(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Pack a weight as the kernels read it: ``(out, in)`` to ``(panels, groups, 16 * 4)``, filled up with zeros.

    A panel is 16 outputs, a group four inputs; in a group the four inputs of an output lie side by side.
    """
    outputs, inputs = rows.shape
    filled = np.pad(rows, ((0, -outputs % PANEL_COLUMNS), (0, -inputs % GROUP_ROWS)))
    panels = filled.reshape(-1, PANEL_COLUMNS, filled.shape[1] // GROUP_ROWS, GROUP_ROWS)
    return np.ascontiguousarray(panels.transpose(0, 2, 1, 3)).reshape(len(panels), -1, PANEL_COLUMNS * GROUP_ROWS)
