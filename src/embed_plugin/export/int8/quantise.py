"""Rewrite an fp32 graph to INT8: int8 weights per output channel, uint8 activations per row, int8 word embeddings.

A row of an activation, which is one token's, has a scale and a zero point of its own, and a few of its channels are
kept as they are, because they would widen the range of all others. So a row depends on itself alone, and a text's
vector on that text. A product with a constant weight is then, with an exact sum of integers,

    y = scale * weight_scale * ((q - 128) @ int8) + middle * sums + kept @ weights + bias
    middle = scale * (128 - zero)

Here it is written with onnxruntime's own operators: ``QuantizeLinear``, ``MatMulIntegerToFloat``, and ``Gemm`` for the
terms. :mod:`embed_plugin.export.int8.kernel_graph` writes the same in fewer. Values read by several products (queries,
keys and values of a layer) are quantised once. Everything else, attention included, stays fp32.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.export.int8.rounding import round_table
from embed_plugin.export.onnx_graph.edit import attribute, move_weights
from embed_plugin.export.onnx_graph.file import tensor_values

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.int8.weights import QuantisedWeight

STEPS = 255
CENTRE = 128
"""The step that int8 weights see as 0, so that their products with the rows are small numbers."""

SMALLEST_SCALE = 1e-30
"""The scale of a row of zeros, so that its inverse is finite."""


class WeightProduct(NamedTuple):
    """A product of a value with a constant weight.

    Attributes:
        output: Name of the product.
        value: Name of the value that is multiplied.
        weight: float32 ``(out, in)``.
    """

    output: str
    value: str
    weight: npt.NDArray[np.float32]


def weight_products(model: onnx.ModelProto) -> list[WeightProduct]:
    """Return every product with a constant weight, in order."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return [
        WeightProduct(node.output[0], node.input[0], tensor_values(tensors[node.input[1]]).T)
        for node in model.graph.node
        if _is_weight_product(node, tensors)
    ]


def looked_up_tables(model: onnx.ModelProto) -> list[str]:
    """Return the tables that rows are looked up in, in order."""
    tensors = {tensor.name for tensor in model.graph.initializer}
    return [node.input[0] for node in model.graph.node if node.op_type == "Gather" and node.input[0] in tensors]


def _is_weight_product(node: onnx.NodeProto, weights: Container[str]) -> bool:
    return node.op_type == "MatMul" and node.input[1] in weights


def _is_lookup(node: onnx.NodeProto, weights: Container[str]) -> bool:
    """Tell if a node looks up rows of a table."""
    return node.op_type == "Gather" and node.input[0] in weights and attribute(node, "axis", 0) == 0


@dataclass(frozen=True)
class Quantisation:
    """The numbers of an INT8 model, whichever operators compute with them.

    Attributes:
        kept: By the name of a value that is multiplied: the channels that are not quantised.
        weights: By the name of a product.
    """

    kept: Mapping[str, Sequence[int]]
    weights: Mapping[str, QuantisedWeight]


def quantise(model: onnx.ModelProto, quantisation: Quantisation) -> onnx.ModelProto:
    """Write the INT8 graph with onnxruntime's own operators.

    Args:
        model: The fp32 graph; it is not changed.
        quantisation: Has every product that is to be INT8; the others stay fp32.
    """
    return Quantiser(model, quantisation).run()


class QuantisedValue(NamedTuple):
    """Names of the parts of a quantised activation.

    Attributes:
        rows: uint8.
        terms: What completes a product with the rows.
        scale: The rows' scales; empty where they are the first of the terms.
    """

    rows: str
    terms: str
    scale: str = ""


class Quantiser:
    """Walks the nodes once, in order, and writes each quantised or as it was."""

    def __init__(self, model: onnx.ModelProto, quantisation: Quantisation) -> None:
        self.source = model
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self.added: dict[str, onnx.TensorProto] = {}
        self.quantised: dict[str, QuantisedValue] = {}
        self.shapes: dict[tuple[str, int], str] = {}
        self.readers = Counter(name for node in model.graph.node for name in node.input)
        self.quantisation = quantisation
        self.products = [node for node in model.graph.node if node.output and node.output[0] in quantisation.weights]
        self.channels = {node.input[0]: quantisation.weights[node.output[0]].rows.shape[1] for node in self.products}
        self.bias_adds = self._find_bias_adds()

    def _find_bias_adds(self) -> dict[str, onnx.NodeProto]:
        """The Add of a constant bias behind each weight product, by the product's output."""
        products = {node.output[0] for node in self.products}
        return {
            node.input[0]: node
            for node in self.source.graph.node
            if node.op_type == "Add"
            and node.input[0] in products
            and node.input[1] in self.tensors
            and self.readers[node.input[0]] == 1
        }

    def run(self) -> onnx.ModelProto:
        """Write the quantised graph."""
        products = {node.output[0] for node in self.products}
        absorbed = {node.name for node in self.bias_adds.values()}
        for node in self.source.graph.node:
            if products.intersection(node.output):
                self.product(node)
            elif _is_lookup(node, self.tensors):
                self.embedding(node)
            elif node.name not in absorbed:
                self.other(node)
        used = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in self.source.graph.initializer if tensor.name in used]
        graph = helper.make_graph(
            self.nodes,
            self.source.graph.name,
            self.source.graph.input,
            self.source.graph.output,
        )
        model = helper.make_model(
            graph,
            opset_imports=self.source.opset_import,
            ir_version=self.source.ir_version,
            producer_name=self.source.producer_name,
        )
        added = [*kept, *self.added.values()]
        self.added.clear()
        move_weights(added, model.graph)
        return model

    def product(self, node: onnx.NodeProto) -> None:
        """Write one weight product with its bias."""
        value = node.input[0]
        weight = self.quantisation.weights[node.output[0]]
        if value not in self.quantised:
            self.quantised[value] = self.quantise_value(value)
        self.product_nodes(value, self.output_of(node), weight, self.bias_of(node, len(weight.rows)))

    def product_nodes(self, value: str, output: str, weight: QuantisedWeight, bias: npt.NDArray[np.float32]) -> None:
        """Write the operators that multiply a quantised value."""
        rows, terms, scale = self.quantised[value]
        inputs = [
            rows,
            self.constant(f"{output}.weight.int8", np.ascontiguousarray(weight.rows.T)),
            self.constant(f"{value}.one", np.float32(1)),
            self.constant(f"{output}.weight.scale", weight.scales),
            self.constant(f"{value}.centre", np.uint8(CENTRE)),
            # onnxruntime 1.24 looks for it where it turns weights into uint8, and ends the process if it is not there
            self.constant(f"{output}.weight.zero", np.int8(0)),
        ]
        self.node("MatMulIntegerToFloat", f"{output}.integers", *inputs, domain="com.microsoft")
        exact = self.constant(f"{output}.term_weights", weight.term_weights)
        self.node("Gemm", f"{output}.terms", terms, exact, self.constant(f"{output}.bias.float", bias))
        scaled = self.node("Mul", f"{output}.scaled", f"{output}.integers", scale)
        flat = self.node("Add", f"{output}.flat", scaled, f"{output}.terms")
        self.node("Reshape", output, flat, self.shape_of_product(value, len(bias)))

    def shape_of_product(self, value: str, columns: int) -> str:
        """The shape of a value, with another number of columns."""
        if (value, columns) not in self.shapes:
            before = self.node("Shape", f"{value}.shape.{columns}.before", value, start=0, end=-1)
            last = self.integers(f"{value}.shape.{columns}.last", [columns])
            self.shapes[value, columns] = self.node("Concat", f"{value}.shape.{columns}", before, last, axis=0)
        return self.shapes[value, columns]

    def other(self, node: onnx.NodeProto) -> None:
        """A node that stays as it is."""
        self.nodes.append(node)

    def output_of(self, product: onnx.NodeProto) -> str:
        """Name of a product's value after its bias."""
        return str(self.bias_adds.get(product.output[0], product).output[0])

    def bias_of(self, product: onnx.NodeProto, size: int) -> npt.NDArray[np.float32]:
        """The bias of a product; zeros when it has none."""
        bias_add = self.bias_adds.get(product.output[0])
        if bias_add is None:
            return np.zeros(size, np.float32)
        return np.broadcast_to(tensor_values(self.tensors[bias_add.input[1]]).astype(np.float32), (size,))

    def quantise_value(self, value: str) -> QuantisedValue:
        """Write the operators that quantise a value where it is first needed, row by row, ``(rows, channels)``."""
        shape = self.integers(f"{value}.rows.shape", [-1, self.channels[value]])
        flat = self.node("Reshape", f"{value}.rows", value, shape)
        ranged = self.without_kept(value, flat)
        axis = self.integers(f"{value}.axis", [1])
        least, most = (
            self.node(operator, f"{value}.{name}", ranged, axis, keepdims=0)
            for operator, name in (("ReduceMin", "least"), ("ReduceMax", "most"))
        )
        if not self.quantisation.kept[value]:  # which count as 0, and the range must hold it
            least, most = (
                self.node(operator, f"{end}.or_zero", end, self.floats(f"{value}.zero", 0))
                for operator, end in (("Min", least), ("Max", most))
            )
        width = self.node("Sub", f"{value}.width", most, least)
        step = self.node("Div", f"{value}.step", width, self.floats(f"{value}.steps", STEPS))
        scale = self.node("Max", f"{value}.scale", step, self.floats(f"{value}.smallest", SMALLEST_SCALE))
        return self.steps(value, ranged, least, scale)

    def without_kept(self, value: str, flat: str) -> str:
        """A value whose kept channels are 0."""
        kept = list(self.quantisation.kept[value])
        if not kept:
            return flat
        mask = np.ones(self.channels[value], np.float32)
        mask[kept] = 0
        return self.node("Mul", f"{value}.ranged", flat, self.constant(f"{value}.mask", mask))

    def steps(self, value: str, ranged: str, least: str, scale: str) -> QuantisedValue:
        """Write what a value is in steps of its scale, and the terms."""
        below = self.node("Round", f"{value}.below", self.node("Div", f"{value}.lowest", least, scale))
        zero = self.node("Cast", f"{value}.at", self.node("Neg", f"{value}.above", below), to=TensorProto.UINT8)
        rows = self.node("QuantizeLinear", f"{value}.uint8", ranged, scale, zero, axis=0)
        centre = self.node("Add", f"{value}.off", below, self.floats(f"{value}.half", CENTRE))
        middle = self.node("Mul", f"{value}.middle", scale, centre)
        axis = self.integers(f"{value}.axis", [1])
        terms = self.node("Unsqueeze", f"{value}.middles", middle, axis)
        if kept := list(self.quantisation.kept[value]):
            channels = self.integers(f"{value}.kept.channels", kept)
            exact = self.node("Gather", f"{value}.kept", f"{value}.rows", channels, axis=1)
            terms = self.node("Concat", f"{value}.terms", terms, exact, axis=1)
        return QuantisedValue(rows, terms, self.node("Unsqueeze", f"{value}.scales", scale, axis))

    def embedding(self, node: onnx.NodeProto) -> None:
        """A looked-up table, int8 with one scale per row."""
        table, ids = node.input
        output = node.output[0]
        rows, scales = round_table(tensor_values(self.tensors[table]))
        names = self.constant(f"{table}.int8", rows), self.constant(f"{table}.scale", scales[:, None])
        self.node("Gather", f"{output}.int8", names[0], ids)
        self.node("Gather", f"{output}.scale", names[1], ids)
        self.node("Cast", f"{output}.float", f"{output}.int8", to=TensorProto.FLOAT)
        self.node("Mul", output, f"{output}.float", f"{output}.scale")

    def node(self, operator: str, name: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """Add one operator with one output, which carries the node's name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes)  # type: ignore[arg-type]
        )
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add int64 constants."""
        return self.constant(name, np.array(values, np.int64))

    def floats(self, name: str, value: float) -> str:
        """Add a float32 constant."""
        return self.constant(name, np.float32(value))

    def constant(self, name: str, values: npt.NDArray[np.generic] | np.generic) -> str:
        """Add a constant.

        No product shares one with another, though ALBERT's layers share their weights: where onnxruntime turns int8
        weights into uint8 (see :mod:`embed_plugin.encode.session`) it takes each for one product's own.
        """
        self.added[name] = numpy_helper.from_array(np.asarray(values), name)
        return name
