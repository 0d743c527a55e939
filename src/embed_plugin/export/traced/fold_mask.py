"""Leave a traced backbone with one input, ``input_ids``, and without the mask that padding would have needed.

Every text of a run has the same token count, so the attention mask is ones and the segment ids are zeros. What is made
of them is known to be one number everywhere, and adding 0 to the attention scores, or choosing where "true everywhere",
is left out. A mask that says something (a sliding window, causal attention) is not uniform, and stays.

A step is left out only if the other operand depends on the tokens themselves: that one has the full shape, while a
table of positions, say, may get its batch dimension from this very step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import remove_unused, rename_values_read, replace_nodes, values_read
from embed_plugin.export.traced.uniform_values import uniform_constant, uniform_result

if TYPE_CHECKING:
    import onnx

    from embed_plugin.export.traced.uniform_values import Number

_FILLED_WITH = {"attention_mask": 1, "token_type_ids": 0}

_NEUTRAL: dict[str, tuple[float, tuple[int, ...]]] = {
    "Add": (0, (0, 1)),
    "Sub": (0, (1,)),
    "Mul": (1, (0, 1)),
    "Div": (1, (1,)),
}
"""The number that changes nothing, and at which inputs."""


def fold_mask(model: onnx.ModelProto) -> None:
    """Fold every input but ``input_ids`` away, in place.

    Raises:
        ExportError: the model has an input whose content is not known.
    """
    graph = model.graph
    replace_nodes(graph, [*_inputs_as_nodes(graph), *graph.node])
    fold = _Fold(graph)
    replace_nodes(graph, [node for node in graph.node if fold.keeps(node)])
    remove_unused(graph)


def _inputs_as_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Take every other input away, and give its value as nodes instead."""
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
    """0, 1, 2, ... in every row: one less than the sum of ones up to there."""
    ones, one = (numpy_helper.from_array(np.ones(shape, np.int64)) for shape in ((1,), ()))
    return [
        helper.make_node("ConstantOfShape", ["ids.shape"], ["positions.ones"], value=ones),
        helper.make_node("Constant", [], ["positions.one"], value=one),
        helper.make_node("CumSum", ["positions.ones", "positions.one"], ["positions.from_one"]),
        helper.make_node("Sub", ["positions.from_one", "positions.one"], ["position_ids"]),
    ]


class _Fold:
    """What is known of each value, node by node in the graph's order."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.outputs = {output.name for output in graph.output}
        self.tables = {tensor.name: tensor for tensor in graph.initializer}
        self.numbers: dict[str, Number | None] = {name: uniform_constant(table) for name, table in self.tables.items()}
        self.of_tokens = {INPUT}
        self.same_as: dict[str, str] = {}
        self.rows: dict[str, tuple[str, int]] = {}
        self.graph = graph

    def keeps(self, node: onnx.NodeProto) -> bool:
        """Whether a node has to stay; one that stays reads past those that do not."""
        rename_values_read(node, self.same_as)
        inputs = [self.numbers.get(name) for name in node.input]
        self.add_one_row(node, inputs)
        through = self.passed_through(node, inputs)
        if through and not self.outputs.intersection(node.output):
            self.same_as[node.output[0]] = through
            return False
        if len(node.output) == 1:
            self.numbers[node.output[0]] = uniform_result(node, inputs)
        if node.op_type != "Shape" and self.of_tokens.intersection(values_read(node)):
            self.of_tokens.update(node.output)
        return True

    def add_one_row(self, node: onnx.NodeProto, inputs: list[Number | None]) -> None:
        """Where every token looks up the same row of a table (its segment's), let that row be added as it is."""
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
        """The input that the node's result equals, if it is one that depends on the tokens."""
        if node.op_type == "Where" and inputs[0] is not None:
            chosen = str(node.input[1 if inputs[0] else 2])
            return chosen if chosen in self.of_tokens else None
        neutral, places = _NEUTRAL.get(node.op_type, (0, ()))
        for place in places:
            number, other = inputs[place], str(node.input[1 - place])
            if number is not None and number == neutral and other in self.of_tokens:
                return other
        return None
