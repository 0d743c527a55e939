"""Fold the attention mask of a traced backbone away, so that ``input_ids`` is its one input.

Every text of a run has the same token count, so the attention mask is ones and the segment ids are zeros. Values
computed from them are one number everywhere, so adding 0 to the attention scores, or a Where whose condition is true
everywhere, is removed. A mask with content (a sliding window, causal attention) is not uniform, and stays.

A step is removed only if its other operand depends on the tokens themselves: that operand has the full shape, while a
table of positions may get its batch dimension from this very step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import attribute, remove_unused, rename_values_read, replace_nodes, values_read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx

Number = npt.NDArray[Any]
"""An array without dimensions, of the type that the value has in the graph."""

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "IsNaN": np.isnan,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Sub": np.subtract,
    "Where": np.where,
}

_SAME_NUMBERS = frozenset(
    {"Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
)
"""Operators that pick or repeat values of their first input; the other inputs are places and counts."""

_FILLED_WITH = {"attention_mask": 1, "token_type_ids": 0}

_NEUTRAL: dict[str, tuple[float, tuple[int, ...]]] = {
    "Add": (0, (0, 1)),
    "Sub": (0, (1,)),
    "Mul": (1, (0, 1)),
    "Div": (1, (1,)),
}
"""The number that leaves the other operand as it is, and the inputs it may be at."""


def fold_mask(model: onnx.ModelProto) -> None:
    """Fold every input but ``input_ids`` away, in place.

    Raises:
        ExportError: the model has an input of unknown content.
    """
    graph = model.graph
    replace_nodes(graph, [*_inputs_as_nodes(graph), *graph.node])
    fold = _Fold(graph)
    replace_nodes(graph, [node for node in graph.node if fold.keeps(node)])
    remove_unused(graph)


def _inputs_as_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Remove every input but ``input_ids``; return nodes that compute their values instead."""
    names = [value.name for value in graph.input]
    unknown = set(names) - {INPUT, "position_ids", *_FILLED_WITH}
    if INPUT not in names or unknown:
        raise ExportError(f"the model asks for {', '.join(names)}; expected {INPUT} and masks that follow from it")
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["n", "length"]))
    nodes = [helper.make_node("Shape", [INPUT], ["ids.shape"])]
    for name in names:
        if name in _FILLED_WITH:
            number = numpy_helper.from_array(np.array([_FILLED_WITH[name]], np.int64))
            nodes.append(helper.make_node("ConstantOfShape", ["ids.shape"], [name], value=number))
    return nodes + (_position_nodes() if "position_ids" in names else [])


def _position_nodes() -> list[onnx.NodeProto]:
    """Nodes for 0, 1, 2, ... in every row: one less than the running sum of ones."""
    ones, one = (numpy_helper.from_array(np.ones(shape, np.int64)) for shape in ((1,), ()))
    return [
        helper.make_node("ConstantOfShape", ["ids.shape"], ["positions.ones"], value=ones),
        helper.make_node("Constant", [], ["positions.one"], value=one),
        helper.make_node("CumSum", ["positions.ones", "positions.one"], ["positions.from_one"]),
        helper.make_node("Sub", ["positions.from_one", "positions.one"], ["position_ids"]),
    ]


class _Fold:
    """Walks the nodes in order and keeps the facts about each value."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.outputs = {output.name for output in graph.output}
        self.tables = {tensor.name: tensor for tensor in graph.initializer}
        self.numbers: dict[str, Number | None] = {name: _uniform_constant(table) for name, table in self.tables.items()}
        self.of_tokens = {INPUT}
        self.same_as: dict[str, str] = {}
        self.rows: dict[str, tuple[str, int]] = {}
        self.graph = graph

    def keeps(self, node: onnx.NodeProto) -> bool:
        """Tell if a node has to stay; a node that stays is rewired past the removed ones."""
        rename_values_read(node, self.same_as)
        inputs = [self.numbers.get(name) for name in node.input]
        self.add_one_row(node, inputs)
        through = self.passed_through(node, inputs)
        if through and not self.outputs.intersection(node.output):
            self.same_as[node.output[0]] = through
            return False
        if len(node.output) == 1:
            self.numbers[node.output[0]] = _uniform_result(node, inputs)
        if node.op_type != "Shape" and self.of_tokens.intersection(values_read(node)):
            self.of_tokens.update(node.output)
        return True

    def add_one_row(self, node: onnx.NodeProto, inputs: list[Number | None]) -> None:
        """Add a row of a table directly where every token looks up that same row (its segment's)."""
        if node.op_type == "Gather" and node.input[0] in self.tables and inputs[1] is not None:
            self.rows[node.output[0]] = (node.input[0], int(inputs[1]))
        if node.op_type != "Add" or not self.of_tokens.intersection(node.input):
            return
        for place, name in enumerate(node.input):
            if name in self.rows:
                table, index = self.rows[name]
                row = numpy_helper.to_array(self.tables[table])[index]
                node.input[place] = f"{table}.row.{index}"
                if node.input[place] not in self.tables:
                    self.tables[node.input[place]] = numpy_helper.from_array(row, node.input[place])
                    self.graph.initializer.append(self.tables[node.input[place]])

    def passed_through(self, node: onnx.NodeProto, inputs: list[Number | None]) -> str | None:
        """The input that the node's result equals, if that input depends on the tokens; else None."""
        if node.op_type == "Where" and inputs[0] is not None:
            chosen = str(node.input[1 if inputs[0] else 2])
            return chosen if chosen in self.of_tokens else None
        neutral, places = _NEUTRAL.get(node.op_type, (0, ()))
        for place in places:
            number, other = inputs[place], str(node.input[1 - place])
            if number is not None and number == neutral and other in self.of_tokens:
                return other
        return None


def _uniform_constant(tensor: onnx.TensorProto) -> Number | None:
    """The number of a constant with one element, or of integers that are all the same; else None."""
    values = numpy_helper.to_array(tensor)
    if values.size == 1:
        return values.reshape(())
    is_whole = values.size > 0 and np.issubdtype(values.dtype, np.integer)
    return values.flat[0] if is_whole and (values == values.flat[0]).all() else None


def _uniform_result(node: onnx.NodeProto, inputs: Sequence[Number | None]) -> Number | None:
    """The one number that a node's result has everywhere; None: it varies, or is not known.

    Args:
        node: The node.
        inputs: The number of each input, in order; None: not uniform, or not known.
    """
    kind = node.op_type
    if kind in {"Constant", "ConstantOfShape"}:
        tensor = attribute(node, "value")
        return None if tensor is None else _uniform_constant(tensor)
    if kind in _SAME_NUMBERS:
        return inputs[0]
    if kind == "Where" and inputs[0] is not None:
        return inputs[1] if inputs[0] else inputs[2]
    known = [number for number in inputs if number is not None]
    return _computed(node, known) if known and len(known) == len(inputs) else None


def _computed(node: onnx.NodeProto, numbers: Sequence[Number]) -> Number | None:
    """The number that an operator computes from one number for each input."""
    first = numbers[0]
    if node.op_type == "Concat":
        return first if all(number == first for number in numbers) else None
    if node.op_type == "Cast":
        return first.astype(helper.tensor_dtype_to_np_dtype(attribute(node, "to")))
    if node.op_type not in _ELEMENTWISE:
        return None
    with np.errstate(all="ignore"):  # as onnxruntime does it: 0 times infinity is NaN
        return np.asarray(_ELEMENTWISE[node.op_type](*numbers))
