"""Find what :mod:`embed_plugin.kernels` computes in one order on every CPU: sums of many floats, and rotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onnx import numpy_helper

from embed_plugin.export.onnx_graph.edit import attribute
from embed_plugin.export.outputs.vector import COLUMN

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class OrderedSum:
    """An operator of the kernels in place of onnxruntime's, for the same value.

    Attributes:
        operator: Its name.
        inputs: Its inputs; an empty name is an input that is left out.
        attributes: Of the operator.
    """

    operator: str
    inputs: list[str]
    attributes: dict[str, float] = field(default_factory=dict)


def ordered_sums(graph: onnx.GraphProto) -> dict[str, OrderedSum]:
    """Find norms, rotations, sums of all tokens, dense layers and vectors made unit length, by the value they give."""
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found = {node.output[0]: _norm(node) or _sum_of_tokens(node, producers) for node in graph.node if node.output}
    for operator, find in {"Div": _unit, "RotaryEmbedding": _rotation}.items():
        found |= {node.output[0]: find(node, producers, constants) for node in graph.node if node.op_type == operator}
    return {name: ordered for name, ordered in found.items() if ordered is not None} | _dense_layers(graph, constants)


def norm_parts(node: onnx.NodeProto) -> tuple[list[str], dict[str, float]] | None:
    """The scale, the bias (empty if there is none) and the attributes of a norm over the channels; None: it is none."""
    if node.op_type not in {"LayerNormalization", "RMSNormalization"} or len(node.output) != 1:
        return None
    if attribute(node, "axis", -1) != -1:
        return None
    attributes = {"epsilon": attribute(node, "epsilon", 1e-5)}
    if node.op_type == "RMSNormalization":
        attributes["rms"] = 1
    scale, bias = [*node.input[1:], ""][:2]
    return [scale, bias], attributes


def _norm(node: onnx.NodeProto) -> OrderedSum | None:
    parts = norm_parts(node)
    return None if parts is None else OrderedSum("NormRows", [node.input[0], *parts[0]], parts[1])


def _rotation(
    node: onnx.NodeProto, producers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> OrderedSum | None:
    """Rotations of whole heads by halves from position 0 on, as ``layers/rotary.py`` writes them."""
    value, start, cosines, sines = node.input
    others = {"interleaved": 0, "rotary_embedding_dim": 0, "is_packed_batching": 0, "scale": 1.0}
    if any(attribute(node, name, default) != default for name, default in others.items()):
        return None
    if start not in constants or numpy_helper.to_array(constants[start]).tolist() != [0]:
        return None
    normed, scale, epsilon = _head_norm(value, producers, constants) or (value, "", 0.0)
    attributes = {"num_heads": attribute(node, "num_heads", 0), "epsilon": epsilon}
    return OrderedSum("RotateHeads", [normed, cosines, sines, scale], attributes)


def _head_norm(
    value: str, producers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> tuple[str, str, float] | None:
    """The value whose heads are normed, the scale and epsilon, as ``layers/head_norm.py`` writes it; None: none is."""
    chain = []
    for operator in ("Reshape", "RMSNormalization", "Reshape"):
        node = producers.get(value)
        if node is None or node.op_type != operator or node.input[1] not in constants:
            return None
        chain.append(node)
        value = node.input[0]
    _, norm, by_head = chain
    parts = norm_parts(norm)
    shape = numpy_helper.to_array(constants[by_head.input[1]])
    if parts is None or list(constants[norm.input[1]].dims) != [shape[-1]]:
        return None
    return value, norm.input[1], parts[1]["epsilon"]


def _dense_layers(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> dict[str, OrderedSum]:
    """Products of texts' vectors with a weight on the left, as ``outputs/vector.py`` writes them."""
    columns, found = {COLUMN}, {}
    for node in graph.node:
        if columns.isdisjoint(node.input):
            continue
        if node.op_type == "MatMul" and node.input[0] in constants and len(constants[node.input[0]].dims) == 2:  # noqa: PLR2004
            found[node.output[0]] = OrderedSum("MultiplyColumn", [node.input[1], node.input[0]])
        columns.update(node.output)
    return found


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
