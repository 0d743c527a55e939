"""Write the INT8 graph that :mod:`embed_plugin.kernels` runs, for the CPUs that they support.

It has the numbers of the plain graph, other operators, and fewer passes over memory: adding a residual, normalising
and quantising is one operator, attention and quantising another, and a product computes its activation, as a gate too,
and quantises it while it is in a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from embed_plugin.export.int8.activated_products import CODES, activated_products
from embed_plugin.export.int8.fused_operators import FusedOperators
from embed_plugin.export.int8.ordered_sums import ordered_sums
from embed_plugin.export.int8.quantise import CENTRE, QuantisedValue, Quantiser
from embed_plugin.export.int8.weights import QuantisedWeight
from embed_plugin.export.onnx_graph.edit import attribute, remove_unused
from embed_plugin.kernels import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.int8.activated_products import ActivatedProduct
    from embed_plugin.export.int8.quantise import Quantisation

PANEL_COLUMNS = 16
"""Columns of a weight that are stored together: a vector register holds a sum for each."""

GROUP_ROWS = 4
"""Rows of a weight that are stored together: one instruction adds up four products."""


NOTHING = "kernels.nothing"
"""The constant that stands for inputs that are left out."""

EXACT = frozenset(
    {
        *("Add", "Cast", "Concat", "Div", "Equal", "Gather", "Identity", "Mul", "Not", "Range", "ReduceMax", "Relu"),
        *("Reshape", "Shape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
    }
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
    wide = {node.output[0] for node in nodes if node.op_type == "Cast" and attribute(node, "to") == TensorProto.DOUBLE}
    return all(node.domain == DOMAIN or node.op_type in EXACT or _is_wide_tanh(node, wide) for node in nodes)


def _is_wide_tanh(node: onnx.NodeProto, wide: Container[str]) -> bool:
    """Tell if a node is a tanh in float64 that is rounded to float32 behind it.

    Two libraries' differ in the last of its bits, which changes one float32 in a hundred million.
    """
    return node.op_type == "Tanh" and node.input[0] in wide


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
        self.activated = {name: found for found in activated_products(find) for name in found.products}
        self.by_output = {self.output_of(node): node for node in self.products}
        self.fused = find.fused()
        self.ordered = ordered_sums(model.graph)
        self.replaced = {node.name for fused in self.fused.values() for node in fused.replaced}
        self.replaced.update(node.name for found in self.activated.values() for node in found.replaced)

    def run(self) -> onnx.ModelProto:
        model = super().run()
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        remove_unused(model.graph)
        return model

    def other(self, node: onnx.NodeProto) -> None:
        """Write a node that is not a product: fused with others, or as it was."""
        if fused := self.fused.get(node.output[0]):
            inputs = self.with_empty(fused.inputs)
            self.quantising_node(fused.name, fused.value, inputs, fused.given, **fused.attributes)
            self.nodes[-1].input.extend([fused.seen] if fused.seen else [])
        elif node.name in self.replaced:
            return
        elif ordered := self.ordered.get(node.output[0]):
            inputs = self.with_empty(ordered.inputs)
            self.node(ordered.operator, node.output[0], *inputs, domain=DOMAIN, **ordered.attributes)
        else:
            super().other(node)

    def with_empty(self, inputs: list[str]) -> list[str]:
        """The inputs of a kernel, with an empty constant for each that is left out."""
        return [name or self.constant(NOTHING, np.zeros(0, np.float32)) for name in inputs]

    def product(self, node: onnx.NodeProto) -> None:
        """A product; with another, of which one is the gate, where the first of both stands."""
        found = self.activated.get(self.output_of(node))
        if found is None or found.is_plain_gelu:
            super().product(node)
        elif found.value not in self.quantised:
            self.activated_product(node.input[0], found)

    def activated_product(self, source: str, found: ActivatedProduct) -> None:
        """Products side by side, the activation behind them and the quantising."""
        if source not in self.quantised:
            self.quantised[source] = self.quantise_value(source)
        nodes = [self.by_output[name] for name in found.products]
        weights = [self.quantisation.weights[node.output[0]] for node in nodes]
        bias = np.concatenate([self.bias_of(node, len(each.rows)) for node, each in zip(nodes, weights, strict=True)])
        inputs = self.product_inputs(source, f"{found.value}.product", side_by_side(weights), bias)
        attributes = {"activation": CODES[found.activation], "gated": len(nodes) - 1}
        self.quantising_node("ProductGateQuantise", found.value, inputs, (), **attributes)

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
        inputs = self.product_inputs(value, output, weight, bias)
        if output in self.activated:
            self.quantising_node("ProductGeluQuantise", self.activated[output].value, inputs, ())
        else:
            self.node("QuantisedProduct", output, *inputs, domain=DOMAIN)

    def product_inputs(
        self, value: str, name: str, weight: QuantisedWeight, bias: npt.NDArray[np.float32]
    ) -> list[str]:
        """The inputs of a product of a quantised value, the constants called after ``name``."""
        return [
            *self.quantised[value][:2],
            self.constant(f"{name}.weight.packed", packed(weight.rows)),
            self.constant(f"{name}.correction", -CENTRE * weight.rows.sum(axis=1, dtype=np.int32)),
            self.constant(f"{name}.weight.scale", weight.scales),
            self.constant(f"{name}.term_weights", weight.term_weights),
            self.constant(f"{name}.bias.float", bias),
        ]


def side_by_side(weights: Sequence[QuantisedWeight]) -> QuantisedWeight:
    """The weights of several products on one value as those of one."""
    return QuantisedWeight(
        rows=np.concatenate([weight.rows for weight in weights]),
        scales=np.concatenate([weight.scales for weight in weights]),
        term_weights=np.concatenate([weight.term_weights for weight in weights], axis=1),
    )


def packed(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Pack a weight as the kernels read it: ``(out, in)`` to ``(panels, groups, 16 * 4)``, filled up with zeros.

    A panel is 16 outputs, a group four inputs; in a group the four inputs of an output lie side by side.
    """
    outputs, inputs = rows.shape
    filled = np.pad(rows, ((0, -outputs % PANEL_COLUMNS), (0, -inputs % GROUP_ROWS)))
    panels = filled.reshape(-1, PANEL_COLUMNS, filled.shape[1] // GROUP_ROWS, GROUP_ROWS)
    return np.ascontiguousarray(panels.transpose(0, 2, 1, 3)).reshape(len(panels), -1, PANEL_COLUMNS * GROUP_ROWS)
