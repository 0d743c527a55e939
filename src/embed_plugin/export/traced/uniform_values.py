"""Which values of a graph are one number everywhere, whatever their shape: a mask of ones, and what is made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from onnx import helper, numpy_helper

from embed_plugin.export.onnx_graph.edit import attribute

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
"""They take from their first input, or repeat it; the other inputs say where and how often."""


def uniform_constant(tensor: onnx.TensorProto) -> Number | None:
    """The number of a constant with one element, or of whole numbers that are all the same, else None."""
    values = numpy_helper.to_array(tensor)
    if values.size == 1:
        return values.reshape(())
    is_whole = values.size > 0 and np.issubdtype(values.dtype, np.integer)
    return values.flat[0] if is_whole and (values == values.flat[0]).all() else None


def uniform_result(node: onnx.NodeProto, inputs: Sequence[Number | None]) -> Number | None:
    """The number that a node's result is everywhere, or None where it is not one, or not known to be.

    Args:
        node: The node.
        inputs: What is known of each of its inputs, in order.
    """
    kind = node.op_type
    if kind in {"Constant", "ConstantOfShape"}:
        tensor = attribute(node, "value")
        return None if tensor is None else uniform_constant(tensor)
    if kind in _SAME_NUMBERS:
        return inputs[0]
    if kind == "Where" and inputs[0] is not None:
        return inputs[1] if inputs[0] else inputs[2]
    known = [number for number in inputs if number is not None]
    return _computed(node, known) if known and len(known) == len(inputs) else None


def _computed(node: onnx.NodeProto, numbers: Sequence[Number]) -> Number | None:
    """The number made from a number for each input."""
    first = numbers[0]
    if node.op_type == "Concat":
        return first if all(number == first for number in numbers) else None
    if node.op_type == "Cast":
        return first.astype(helper.tensor_dtype_to_np_dtype(attribute(node, "to")))
    if node.op_type not in _ELEMENTWISE:
        return None
    with np.errstate(all="ignore"):  # as onnxruntime does it: 0 times infinity is NaN
        return np.asarray(_ELEMENTWISE[node.op_type](*numbers))
