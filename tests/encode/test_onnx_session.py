"""Weights are turned into uint8 where, and only where, int8 products would saturate; what a session refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from embed_plugin import EmbedPluginError, ModelFolderError
from embed_plugin.encode.instruction_set import detect, saturates
from embed_plugin.encode.onnx_session import U8U8_KEY, OnnxSession, exact_options
from embed_plugin.export.graph_builder import GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("instruction_set", ["x86-64", "x86-64 avx2", "x86-64 avx512"])
def test_uint8_weights_are_asked_for_where_int8_saturates(instruction_set: str) -> None:
    assert exact_options(instruction_set).get_session_config_entry(U8U8_KEY) == "1"


@pytest.mark.parametrize("instruction_set", ["x86-64 avx512-vnni", "x86-64 avx-vnni", "arm64", "arm64 i8mm"])
def test_uint8_weights_are_not_asked_for_elsewhere(instruction_set: str) -> None:
    with pytest.raises(RuntimeError, match=U8U8_KEY):
        exact_options(instruction_set).get_session_config_entry(U8U8_KEY)


@pytest.mark.skipif(detect() == "x86-64", reason="without AVX2 onnxruntime's int8 products do not saturate")
def test_this_cpus_weights_have_the_form_that_is_exact(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    options = exact_options(detect())
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(str(tiny_model() / "model.onnx"), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "loaded.onnx", load_external_data=False).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 12
    exact = onnx.TensorProto.UINT8 if saturates(detect()) else onnx.TensorProto.INT8
    assert {kinds[node.input[1]] for node in products} == {exact}


@pytest.mark.skipif(saturates(detect()), reason="int8 weights saturate on this CPU, and are not used on it")
@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_both_forms_of_the_weights_give_the_same_bits(tiny_model: Callable[..., Path], precision: str) -> None:
    # onnxruntime 1.32 turns the weights into uint8 wherever it is asked to, so that this CPU can run both forms
    graph, ids = tiny_model(precision=precision) / "model.onnx", np.array([[2, 4, 6, 8, 10, 3]])
    as_int8, as_uint8 = (OnnxSession(graph, name).run(ids) for name in ("x86-64 avx512-vnni", "x86-64 avx2"))
    np.testing.assert_array_equal(as_int8, as_uint8)


def test_nan_from_a_graph_is_an_error_and_no_vector(tmp_path: Path) -> None:
    graph = GraphBuilder()
    graph.node("Sqrt", "embedding", graph.node("Cast", "floats", "input_ids", to=onnx.TensorProto.FLOAT))
    onnx.save(graph.model(2), tmp_path / "model.onnx")
    session = OnnxSession(tmp_path / "model.onnx", detect())
    assert session.run(np.array([[4, 9]])).tolist() == [[2, 3]]
    with pytest.raises(EmbedPluginError, match="returned NaN or infinity: its folder is damaged"):
        session.run(np.array([[4, -9]]))


def test_a_graph_that_cannot_be_loaded_is_named_with_the_version(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelFolderError, match=rf"onnxruntime {onnxruntime.__version__} cannot load .*model\.onnx"):
        OnnxSession(tmp_path / "model.onnx", detect())
