"""Find the sums of many floats in a graph, which :mod:`embed_plugin.kernels` adds up in one order on every CPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onnx import numpy_helper

from embed_plugin.export.onnx_graph.edit import attribute

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class OrderedSum:
    """An operator of the kernels in place of onnxruntime's, for the same value.

    Attributes:
        operator: Its name.
        inputs: Its inputs.
        attributes: Of the operator.
    """

    operator: str
    inputs: list[str]
    attributes: dict[str, float] = field(default_factory=dict)


def ordered_sums(graph: onnx.GraphProto) -> dict[str, OrderedSum]:
    """Find norms, sums of all tokens and vectors made unit length; the operators by the value they give."""
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found = {node.output[0]: _norm(node) or _sum_of_tokens(node, producers) for node in graph.node if node.output}
    found.update({node.output[0]: _unit(node, producers, constants) for node in graph.node if node.op_type == "Div"})
    return {name: ordered for name, ordered in found.items() if ordered is not None}


def _norm(node: onnx.NodeProto) -> OrderedSum | None:
    if node.op_type != "LayerNormalization" or len(node.input) != len(("value", "scale", "bias")):
        return None
    if attribute(node, "axis", -1) != -1:
        return None
    return OrderedSum("NormRows", list(node.input), {"epsilon": attribute(node, "epsilon", 1e-5)})


def _sum_of_tokens(node: onnx.NodeProto, producers: dict[str, onnx.NodeProto]) -> OrderedSum | None:
    """A product with a row of ones, as ``outputs/vector.py`` writes it."""
    ones = producers.get(node.input[0]) if node.op_type == "MatMul" else None
    if ones is None or ones.op_type != "ConstantOfShape" or numpy_helper.to_array(attribute(ones, "value")) != 1:
        return None
    return OrderedSum("SumTokens", [node.input[1]])


def _unit(
    node: onnx.NodeProto, producers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> OrderedSum | None:
    """``x / sqrt(sum(x ** 2) + epsilon)``, as ``outputs/vector.py`` writes it."""
    chain = [node]
    for operator in ("Sqrt", "Add", "ReduceSumSquare"):
        before = producers.get(chain[-1].input[1 if len(chain) == 1 else 0])
        if before is None or before.op_type != operator:
            return None
        chain.append(before)
    _, _, added, squares = chain
    if squares.input[0] != node.input[0] or added.input[1] not in constants:
        return None
    epsilon = float(numpy_helper.to_array(constants[added.input[1]]).item())
    return OrderedSum("UnitRows", [node.input[0]], {"epsilon": epsilon})
