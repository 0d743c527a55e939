"""Graphs of the families of 2026 by own kernels alone: near fp32, and with the same bits on every instruction set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import helper

from embed_plugin import kernels
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import calibrate
from embed_plugin.export.int8.kernel_graph import gives_same_bits, kernel_graph
from embed_plugin.export.int8.quantise import quantise
from export.int8.small_graphs import LAYERS, MODELS, WORDS, SmallGraph
from support.one_operator import needs_library

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

NAMES = pytest.mark.parametrize("name", sorted(MODELS))
LENGTHS = (1, 3, 17, 40, 150, 300)


def texts(length: int, count: int = 3) -> npt.NDArray[np.int64]:
    return np.random.default_rng(length).integers(0, WORDS, (count, length))


def graphs(name: str) -> tuple[onnx.ModelProto, onnx.ModelProto, onnx.ModelProto]:
    """The fp32 graph, INT8 with onnxruntime's operators, and INT8 with own ones."""
    exact = SmallGraph(MODELS[name]).build()
    found = calibrate(exact, [texts(length, 1) for length in (5, 20, 60, 100)], lambda *_: None)
    return exact, quantise(exact, found), kernel_graph(exact, found)


def vectors(model: onnx.ModelProto, ids: npt.NDArray[np.int64]) -> Vectors:
    made = open_session(model.SerializeToString(), library=kernels.LIBRARY if kernels.LIBRARY.is_file() else None)
    found: Any = made.run(None, {"input_ids": ids})[0]
    return np.asarray(found)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@NAMES
def test_every_cpu_computes_the_same_bits(name: str, tmp_path: Path) -> None:
    exact, plain, own = graphs(name)
    for model, expected in ((own, True), (plain, False), (exact, False)):
        onnx.save(model, tmp_path / "model.onnx")
        assert gives_same_bits(tmp_path / "model.onnx") == expected


@NAMES
@needs_library
def test_the_vectors_are_near_those_of_fp32(name: str) -> None:
    exact, plain, own = graphs(name)
    for length in LENGTHS:
        wanted = vectors(exact, texts(length))
        cosines = [np.sum(vectors(model, texts(length)) * wanted, axis=1).min() for model in (plain, own)]
        assert min(cosines) > 0.99
        assert cosines[1] > cosines[0] - 2e-3


@NAMES
@needs_library
def test_each_set_gives_the_bits_of_a_text_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, found = graphs(name)[2], set()
    for instruction_set in kernels.here():
        monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
        for length in LENGTHS:
            together = vectors(own, texts(length))
            alone = np.concatenate([vectors(own, text[None]) for text in texts(length)])
            assert alone.tobytes() == together.tobytes()
        found.add(together.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen3", {"RuleAttentionQuantise": 2, "ProductGateQuantise": 2, "RotateHeads": 4, "AddThenNormQuantise": 3}),
        ("gemma3", {"NormRows": 6, "AddThenNormQuantise": 3, "MultiplyColumn": 2, "QuantiseRows": 1}),
        ("modernbert", {"RuleAttentionQuantise": 2, "ProductGateQuantise": 2, "RotateHeads": 4, "NormRows": 2}),
        ("mpnet", {"RuleAttentionQuantise": 2, "ProductGeluQuantise": 2, "AddNormQuantise": 3, "NormRows": 2}),
        ("t5", {"RuleAttentionQuantise": 2, "ProductGateQuantise": 2, "AddThenNormQuantise": 3, "MultiplyColumn": 1}),
        ("new", {"AttentionQuantise": 2, "ProductGateQuantise": 2, "AddNormQuantise": 3, "RotateHeads": 4}),
    ],
)
def test_what_stands_between_two_products_is_one_operator(name: str, expected: dict[str, int]) -> None:
    found = operators(graphs(name)[2])
    assert {operator: found[operator] for operator in expected} == expected
    products = found["QuantisedProduct"] + found["ProductGateQuantise"] + found["ProductGeluQuantise"]
    assert products == LAYERS * 6


def test_what_is_left_out_is_one_empty_constant() -> None:
    own = graphs("qwen3")[2]
    assert [tuple(tensor.dims) for tensor in own.graph.initializer if tensor.name == "kernels.nothing"] == [(0,)]


def changed(name: str, operator: str, **attributes: float) -> onnx.ModelProto:
    """The graph for own kernels of a model whose operators of one kind have other attributes."""
    exact = SmallGraph(MODELS[name]).build()
    found = calibrate(exact, [texts(20, 1)], lambda *_: None)
    for node in exact.graph.node:
        if node.op_type == operator:
            node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return kernel_graph(exact, found)


def test_attention_of_another_kind_is_left() -> None:
    found = operators(changed("qwen3", "Attention", softcap=30.0))
    assert (found["Attention"], found["RuleAttentionQuantise"]) == (LAYERS, 0)


def test_a_mask_that_no_rule_describes_is_left() -> None:
    exact = SmallGraph(MODELS["modernbert"]).build()
    for node in exact.graph.node:
        del node.metadata_props[:]
    found = operators(kernel_graph(exact, calibrate(exact, [texts(20, 1)], lambda *_: None)))
    assert (found["Attention"], found["RuleAttentionQuantise"], found["ProductGateQuantise"]) == (LAYERS, 0, LAYERS)


def test_a_gate_that_is_read_elsewhere_is_left() -> None:
    exact = SmallGraph(MODELS["qwen3"]).build()
    found = calibrate(exact, [texts(20, 1)], lambda *_: None)
    exact.graph.output.append(helper.make_tensor_value_info("0.feed_forward.gate", onnx.TensorProto.FLOAT, None))
    exact.graph.node.append(helper.make_node("Identity", ["0.feed_forward.gate"], ["read"], name="read"))
    own = operators(kernel_graph(exact, found))
    assert (own["ProductGateQuantise"], own["Sigmoid"]) == (LAYERS - 1, 1)
