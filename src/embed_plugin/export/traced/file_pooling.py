"""Find where a ready ONNX file pools: the token vectors inside its graph, and the output that it makes of them.

The walk goes from the file's own vector of a text back to the tokens: through what changes a vector's length or shape
alone, through dense layers, to the one step that makes one vector of many. The graph's mask is folded away before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT, OPSET
from embed_plugin.export.onnx_graph.edit import attribute, values_read
from embed_plugin.export.outputs.vector import Dense, VectorOutput
from embed_plugin.export.traced.read_file import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.outputs.vector import DenseActivation
    from embed_plugin.types import Pooling

_SHAPED = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that leave a vector's values as they are."""

_SCALED = frozenset({"Div", "LpNormalization"})
"""Operators that change a vector's length alone: the mean's number of tokens, and normalising."""

_ACTIVATIONS = frozenset({"Gelu", "Relu", "Sigmoid", "Tanh"})
_REDUCED: dict[str, Pooling] = {"ReduceMax": "max", "ReduceMean": "mean", "ReduceSum": "mean"}
_PICKED = frozenset({"Gather", "GatherElements", "Slice"})
_TOKENS = (1, -2)
"""The axis of the tokens, in both ways to count."""

_LENGTH = 5
"""Tokens of the text for which the place of the picked token is computed."""

EXPECTED = "mean, max, the first or the last token, then dense layers and normalising"


@dataclass(frozen=True)
class FilePooling:
    """The last part of a file's graph.

    Attributes:
        token_vectors: Name of the value that is pooled.
        output: What the file makes of it, normalised.
    """

    token_vectors: str
    output: VectorOutput


def find_pooling(graph: onnx.GraphProto, vector: str, path: Path) -> FilePooling:
    """Find the pooling of a file.

    Args:
        graph: The file's graph, its mask folded away and its weights exposed.
        vector: Name of the file's own vector of a text.
        path: The file, for messages.

    Raises:
        ExportError: it makes the vector in a way that is not known; names the operator.
    """
    return _Walk(graph, path).run(vector)


class _Walk:
    """One walk from a vector back to the token vectors."""

    def __init__(self, graph: onnx.GraphProto, path: Path) -> None:
        self.path = path
        self.nodes = graph.node
        self.producers = {name: node for node in graph.node for name in node.output}
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.dense: list[Dense] = []

    def run(self, vector: str) -> FilePooling:
        value = vector
        while True:
            node = self.producers.get(value)
            if node is None:
                raise self.unknown(vector, f"is {value}, which no operator pools")
            pooling = self.pooling(node)
            if pooling is not None:
                return FilePooling(str(node.input[0]), VectorOutput(pooling, tuple(self.dense[::-1])))
            before = self.through(node) or self.dense_layer(node)
            if before is None:
                raise self.unknown(vector, f"is computed by {node.op_type} ({node.name:.80})")
            value = before

    def unknown(self, vector: str, what: str) -> ExportError:
        message = f"{self.path}: its {vector.removeprefix(PREFIX)} {what}, expected {EXPECTED}"
        return ExportError(f"{message}: export it with its token vectors (last_hidden_state or token_embeddings)")

    def pooling(self, node: onnx.NodeProto) -> Pooling | None:
        """The way that a node makes one vector of many; None: it does not."""
        if node.op_type in _REDUCED:
            axes = attribute(node, "axes")
            axes = self.numbers(node.input[1]) if axes is None and len(node.input) > 1 else axes
            return _REDUCED[node.op_type] if axes is not None and _is_axis_of_tokens(axes) else None
        if node.op_type not in _PICKED:
            return None
        slices = node.op_type == "Slice" and len(node.input) > 3  # noqa: PLR2004 - data, starts, ends, axes
        axes = self.numbers(node.input[3]) if slices else [attribute(node, "axis", 0)]
        if axes is None or not _is_axis_of_tokens(axes):
            return None
        places = self.numbers(node.input[1])
        found = set() if places is None else {int(place) % _LENGTH for place in places.flat}
        return "cls" if found == {0} else "lasttoken" if found == {_LENGTH - 1} else None

    def through(self, node: onnx.NodeProto) -> str | None:
        """The value that a node's result is, but for length and shape; None: it is another."""
        if node.op_type in _SHAPED | _SCALED or (node.op_type == "Concat" and len(node.input) == 1):
            return str(node.input[0])
        if node.op_type != "If":
            return None
        found = {_read_outside(attribute(node, name)) for name in ("then_branch", "else_branch")}
        return found.pop() if len(found) == 1 else None

    def dense_layer(self, node: onnx.NodeProto) -> str | None:
        """Remember a dense layer, and return what it reads; None: the node ends none."""
        activation = "Identity"
        if node.op_type in _ACTIVATIONS:
            if attribute(node, "approximate", b"none") != b"none":
                return None
            activation, node = node.op_type, self.producers.get(node.input[0], node)
        bias = None
        if node.op_type == "Add" and node.input[1] in self.tensors:
            bias = numpy_helper.to_array(self.tensors[node.input[1]])
            node = self.producers.get(node.input[0], node)
        weight = self.tensors.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None:
            return None
        self.dense.append(Dense(numpy_helper.to_array(weight).T, bias, cast("DenseActivation", activation)))
        return str(node.input[0])

    def numbers(self, name: str) -> npt.NDArray[Any] | None:
        """The values of what depends on a text's number of tokens alone, for one of :data:`_LENGTH`; None: unknown."""
        needed, kept = {name}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(values_read(node))
                kept.append(node)
        constants = [tensor for key, tensor in self.tensors.items() if key in needed]
        ids, output = (onnx.ValueInfoProto(name=each) for each in (INPUT, name))
        graph = helper.make_graph(kept[::-1], "numbers", [ids], [output], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        try:
            found: Any = ReferenceEvaluator(model).run(None, {INPUT: np.zeros((1, _LENGTH), np.int64)})
            return np.asarray(found[0])
        except Exception:  # noqa: BLE001 - of any type; what cannot be computed is not known
            return None


def _is_axis_of_tokens(axes: Any) -> bool:  # noqa: ANN401 - a list or an array
    found = np.asarray(axes).ravel().tolist()
    return len(found) == 1 and found[0] in _TOKENS


def _read_outside(graph: onnx.GraphProto) -> str | None:
    """The value outside that an inner graph returns in another shape; None: it computes something."""
    inner = {name: node for node in graph.node for name in node.output}
    name = str(graph.output[0].name)
    while name in inner:
        if inner[name].op_type not in _SHAPED:
            return None
        name = str(inner[name].input[0])
    return name
