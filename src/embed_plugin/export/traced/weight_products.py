"""Bring a traced graph to the form that :mod:`~embed_plugin.export.int8.quantise` reads.

That is ``MatMul(value, weight)`` and ``Add(product, bias)``, where weight and bias are initializers. Other tables in
such places, position tables among them, become Constant nodes, which quantising leaves as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import helper, numpy_helper

from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import attribute, remove_unused, rename_values_read, replace_nodes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnx


def expose_weights(graph: onnx.GraphProto) -> None:
    """Rewrite weight products and hide other tables, in place. Every node is named after its first output."""
    rewriter = _Rewriter(graph)
    replace_nodes(graph, [new for node in graph.node for new in rewriter.rewritten(node)])
    replace_nodes(graph, [*rewriter.hidden.values(), *graph.node])
    remove_unused(graph)


class _Rewriter:
    """Walks the nodes once, in order."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.constants: dict[str, onnx.TensorProto] = {}
        self.transposed: dict[str, tuple[str, list[int]]] = {}
        self.same_as: dict[str, str] = {}
        self.products: set[str] = set()
        self.hidden: dict[str, onnx.NodeProto] = {}

    def rewritten(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes to put in a node's place."""
        rename_values_read(node, self.same_as)
        node.name = node.output[0]
        rewrite = {
            "Add": self.add,
            "Constant": self.constant,
            "Gather": self.gather,
            "Gemm": self.gemm,
            "Identity": self.identity,
            "MatMul": self.matmul,
            "Transpose": self.transpose,
        }.get(node.op_type)
        return [node] if rewrite is None else rewrite(node)

    def constant(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Remember a constant; it becomes an initializer where a product reads it as its weight."""
        if (tensor := attribute(node, "value")) is not None:
            self.constants[node.output[0]] = tensor
        return [node]

    def identity(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Remove a second name of a shared weight."""
        if node.input[0] not in self.tensors:
            return [node]
        self.same_as[node.output[0]] = node.input[0]
        return []

    def transpose(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Remember the transpose of a weight; it is not needed once the products read a transposed weight."""
        if node.input[0] in self.tensors:
            self.transposed[node.output[0]] = (node.input[0], attribute(node, "perm", [1, 0]))
        return [node]

    def gather(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Keep the word embeddings, which the token ids index; hide any other table."""
        if node.input[0] in self.tensors and node.input[1] != INPUT:
            node.input[0] = self.hide(node.input[0])
        return [node]

    def gemm(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Split ``a @ b + c`` into two nodes, where nothing is scaled."""
        scaled = attribute(node, "alpha", 1) != 1 or attribute(node, "beta", 1) != 1
        if node.input[1] not in self.tensors or scaled or attribute(node, "transA", 0):
            return [node]
        value, weight, *bias = node.input
        output = node.output[0]
        product = f"{output}.product" if bias else output
        if attribute(node, "transB", 0):
            weight = self.transposed_weight(weight, [1, 0])
        nodes = [helper.make_node("MatMul", [value, weight], [product])]
        nodes += [helper.make_node("Add", [product, name], [output]) for name in bias]
        return [new for old in nodes for new in self.rewritten(old)]

    def matmul(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Make a weight on the right an initializer; hide a stack of matrices there."""
        right = node.input[1]
        if right in self.transposed:
            right = self.transposed_weight(*self.transposed[right])
        right = self.exposed(right)
        if right in self.tensors:
            is_matrix = len(self.tensors[right].dims) == len(("in", "out"))
            right = right if is_matrix else self.hide(right)
            self.products.update(node.output if is_matrix else ())
        node.input[1] = right
        return [node]

    def add(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Put the product first, then the bias; hide a table that is added to a product and is no bias."""
        if node.input[1] in self.products:
            node.input[:] = node.input[::-1]
        if node.input[0] in self.products:
            bias = self.exposed(node.input[1])
            is_table = bias in self.tensors and len(self.tensors[bias].dims) != 1
            node.input[1] = self.hide(bias) if is_table else bias
        return [node]

    def exposed(self, name: str) -> str:
        """The same value, as an initializer if it is a constant."""
        if name in self.constants:
            return self.weight(f"{name}.weight", numpy_helper.to_array(self.constants[name]))
        return name

    def transposed_weight(self, name: str, order: list[int]) -> str:
        """The transpose of a weight, made once."""
        return self.weight(f"{name}.transposed", numpy_helper.to_array(self.tensors[name]).transpose(order))

    def weight(self, name: str, values: npt.NDArray[np.generic]) -> str:
        """Add an initializer, once."""
        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(values.copy(), name)
            self.graph.initializer.append(self.tensors[name])
        return name

    def hide(self, name: str) -> str:
        """The same table as a Constant node."""
        hidden = f"{name}.table"
        self.hidden[hidden] = helper.make_node("Constant", [], [hidden], name=hidden, value=self.tensors[name])
        return hidden
