"""The mask is folded away on small graphs written by hand, and every result is compared with the graph as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from embed_plugin import ExportError
from embed_plugin.encode.session import open_session
from embed_plugin.export.traced.fold_mask import fold_mask

if TYPE_CHECKING:
    import numpy.typing as npt

RNG = np.random.default_rng(1)
WEIGHTS = {
    "words": RNG.standard_normal((20, 8), np.float32),
    "segments": RNG.standard_normal((2, 8), np.float32),
    "one": np.array(1, np.float32),
    "zero": np.array(0, np.float32),
    "lowest": np.array(-3e38, np.float32),
    "axis0": np.array([0]),
    "axis1": np.array([1]),
    "axis2": np.array([2]),
    "start": np.array(0),
    "step": np.array(1),
    "window": np.array(2),
    "yes": np.ones((), bool),
}
SCORES = [
    ("Gather", "words input_ids", "tokens"),
    ("Transpose", "tokens", "columns"),
    ("MatMul", "tokens columns", "scores"),
]
MASK = [
    ("Unsqueeze", "attention_mask axis1", "mask.row"),
    ("Cast", "mask.row", "mask.float"),
    ("Sub", "one mask.float", "padded"),
    ("Mul", "padded lowest", "mask.added"),
    ("Cast", "padded", "padded.bool"),
]
ATTEND = [("Softmax", "masked", "shares"), ("MatMul", "shares tokens", "out")]
OPTIONS: dict[str, dict[str, Any]] = {
    "columns": {"perm": [0, 2, 1]},
    "mask.float": {"to": TensorProto.FLOAT},
    "padded.bool": {"to": TensorProto.BOOL},
    "length": {"start": 1, "end": 2},
    "positions.float": {"to": TensorProto.FLOAT},
}
INPUTS = {"attention_mask": 1, "token_type_ids": 0}


def make(steps: list[tuple[str, str, str]], *inputs: str) -> onnx.ModelProto:
    """A graph of ``(operator, inputs, output)`` steps."""
    nodes = [
        helper.make_node(kind, names.split(), [out], name=out, **OPTIONS.get(out, {})) for kind, names, out in steps
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"]) for name in inputs]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(values, name) for name, values in WEIGHTS.items()]
    graph = helper.make_graph(nodes, "graph", values, [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    session = open_session(model.SerializeToString())
    fed = {"input_ids": ids, "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape)}
    fed |= {name: np.full_like(ids, number) for name, number in INPUTS.items()}
    vectors: npt.NDArray[np.float32] = session.run(
        None, {value.name: fed[value.name] for value in session.get_inputs()}
    )[0]
    return vectors


def folded(model: onnx.ModelProto) -> list[str]:
    """Fold, check that no result changes, and give the operators that are left."""
    before = onnx.ModelProto.FromString(model.SerializeToString())
    fold_mask(model)
    assert [value.name for value in model.graph.input] == ["input_ids"]
    for shape in ((1, 1), (1, 2), (3, 5), (2, 64)):
        ids = np.random.default_rng(shape).integers(0, 20, shape)
        np.testing.assert_array_equal(run(model, ids), run(before, ids))
    return [node.op_type for node in model.graph.node]


UNMASKED = ["Gather", "Transpose", "MatMul", "Softmax", "MatMul"]


@pytest.mark.parametrize(
    "step",
    [
        ("Add", "scores mask.added", "masked"),
        ("Add", "mask.added scores", "masked"),
        ("Sub", "scores mask.added", "masked"),
        ("Mul", "scores mask.float", "masked"),
        ("Div", "scores mask.float", "masked"),
        ("Where", "padded.bool lowest scores", "masked"),
    ],
)
def test_a_mask_of_ones_leaves_nothing_behind(step: tuple[str, str, str]) -> None:
    model = make([*SCORES, *MASK, step, *ATTEND], "input_ids", "attention_mask")
    assert folded(model) == UNMASKED
    assert [tensor.name for tensor in model.graph.initializer] == ["words"]


def test_a_chain_of_masks_is_followed() -> None:
    steps = [
        ("Not", "padded.bool", "seen"),
        ("And", "seen seen", "both"),
        ("Where", "both scores lowest", "once"),
        ("Identity", "once", "same"),
        ("Where", "both same lowest", "masked"),
    ]
    model = make([*SCORES, *MASK, *steps, *ATTEND], "input_ids", "attention_mask")
    assert folded(model) == ["Gather", "Transpose", "MatMul", "Identity", "Softmax", "MatMul"]


WINDOW = [
    ("Shape", "attention_mask", "length"),
    ("Squeeze", "length axis0", "count"),
    ("Range", "start count step", "positions"),
    ("Unsqueeze", "positions axis1", "down"),
    ("Sub", "positions down", "distance"),
    ("Abs", "distance", "far"),
    ("LessOrEqual", "far window", "near"),
]


def test_a_sliding_window_stays() -> None:
    """And with it what it is joined with: leaving that out could lose the batch dimension."""
    steps = [*WINDOW, ("Where", "near mask.added lowest", "local"), ("Add", "scores local", "masked")]
    kinds = folded(make([*SCORES, *MASK, *steps, *ATTEND], "input_ids", "attention_mask"))
    assert {"LessOrEqual", "Where", "Add"} <= set(kinds)


@pytest.mark.parametrize("step", [("Add", "table mask.added"), ("Where", "padded.bool lowest table")])
def test_a_table_that_gets_its_batch_from_the_mask_keeps_it(step: tuple[str, str]) -> None:
    steps = [
        *WINDOW[:3],
        ("Cast", "positions", "positions.float"),
        ("Unsqueeze", "positions.float axis0", "table"),
        (*step, "with.batch"),
        ("Transpose", "with.batch", "columns"),
        ("MatMul", "columns with.batch", "out"),
    ]
    assert step[0] in folded(make([*MASK, *steps], "input_ids", "attention_mask"))


def test_one_segment_is_one_row() -> None:
    steps = [*SCORES[:1], ("Gather", "segments token_type_ids", "segment"), ("Add", "tokens segment", "out")]
    model = make(steps, "input_ids", "token_type_ids")
    assert folded(model) == ["Gather", "Add"]
    row = next(tensor for tensor in model.graph.initializer if tensor.name == "segments.row.0")
    np.testing.assert_array_equal(numpy_helper.to_array(row), WEIGHTS["segments"][0])


def test_positions_are_counted() -> None:
    steps = [*SCORES[:1], ("Cast", "position_ids", "positions.float"), ("Unsqueeze", "positions.float axis2", "column")]
    assert "CumSum" in folded(make([*steps, ("Mul", "tokens column", "out")], "input_ids", "position_ids"))


def test_a_graph_inside_a_node_reads_past_what_was_folded() -> None:
    inner = helper.make_graph(
        [helper.make_node("Neg", ["masked"], ["inner"])],
        "inner",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    steps = [*SCORES, *MASK, ("Add", "scores mask.added", "masked"), ("Neg", "masked", "out")]
    model = make(steps, "input_ids", "attention_mask")
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("If", ["yes"], ["out"], then_branch=inner, else_branch=inner))
    assert folded(model) == ["Gather", "Transpose", "MatMul", "If"]


def test_an_input_of_unknown_content_is_refused() -> None:
    model = make([*SCORES, ("Identity", "scores", "out")], "input_ids", "global_attention_mask")
    with pytest.raises(ExportError, match="asks for input_ids, global_attention_mask"):
        fold_mask(model)
