"""Weights are turned into uint8 only if int8 products would saturate; inputs that a session refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from embed_plugin import EmbedPluginError, Encoder, InvalidInputError, ModelFolderError, kernels
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import CLASSES, classes_of
from embed_plugin.cpu.features import cpu_family, cpu_flags
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession, open_session
from embed_plugin.export.onnx_graph.builder import GraphBuilder
from support.one_operator import needs_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embed_plugin.cpu import CpuClass


HERE = classes_of(cpu_family(), cpu_flags())
"""The classes that this CPU belongs to; the last is its best."""


def weights_as_loaded(graph: Path, cpu: CpuClass, loaded: Path) -> set[int]:
    """Return the data types of the weights of int8 products after onnxruntime has loaded a graph."""
    open_session(graph, cpu=cpu, options={"optimized_model_filepath": str(loaded)})
    found = onnx.load(loaded, load_external_data=False).graph
    kinds = {tensor.name: tensor.data_type for tensor in found.initializer}
    products = [node for node in found.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 12
    return {kinds[node.input[1]] for node in products}


@pytest.mark.skipif(detect_class().name == "x86-64", reason="without AVX2 onnxruntime's int8 products do not saturate")
@pytest.mark.parametrize("cpu", [each for each in CLASSES.values() if each.family == detect_class().family])
def test_the_weights_have_the_form_that_is_exact(
    cpu: CpuClass, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    release = tuple(map(int, ONNXRUNTIME_VERSION.split(".")[:2]))
    if cpu.saturates and not HERE[-1].saturates and release < (1, 32):
        pytest.skip("onnxruntime before 1.32 makes weights uint8 only on CPUs that need it")
    exact = onnx.TensorProto.UINT8 if cpu.saturates else onnx.TensorProto.INT8
    assert weights_as_loaded(tiny_model() / "model.onnx", cpu, tmp_path / "loaded.onnx") == {exact}


@pytest.mark.skipif(detect_class().saturates, reason="int8 weights saturate on this CPU, and are not used on it")
def test_both_forms_of_the_weights_give_the_same_bits(tiny_model: Callable[..., Path]) -> None:
    # onnxruntime 1.32 turns the weights into uint8 wherever it is asked to, so that this CPU can run both forms
    graph, ids = tiny_model() / "model.onnx", np.array([[2, 4, 6, 8, 10, 3]])
    as_int8, as_uint8 = (OnnxSession(graph, CLASSES[name]).run(ids) for name in ("avx512-vnni", "avx2"))
    np.testing.assert_array_equal(as_int8, as_uint8)


def test_nan_from_a_graph_is_an_error_and_no_vector(tmp_path: Path) -> None:
    graph = GraphBuilder()
    graph.node("Sqrt", "embedding", graph.node("Cast", "floats", "input_ids", to=onnx.TensorProto.FLOAT))
    onnx.save(graph.model("embedding", [2]), tmp_path / "model.onnx")
    session = OnnxSession(tmp_path / "model.onnx", detect_class())
    assert session.run(np.array([[4, 9]])).tolist() == [[2, 3]]
    with pytest.raises(EmbedPluginError, match="returned NaN or infinity: its folder is damaged"):
        session.run(np.array([[4, -9]]))


def test_a_graph_that_cannot_be_loaded_is_named_with_the_version(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelFolderError, match=rf"onnxruntime {ONNXRUNTIME_VERSION} cannot load .*model\.onnx"):
        OnnxSession(tmp_path / "model.onnx", detect_class())


def test_the_class_is_read_when_a_session_is_made(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for cpu in [*HERE, HERE[0]]:
        monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", cpu.name)
        platform = OnnxSession.of(tiny_model()).platform
        assert (platform.cpu, platform.kernels) == (cpu.name, kernels.choose(cpu).name)


@needs_library
def test_every_set_of_own_kernels_gives_the_same_vectors(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, found = np.array([[2, 4, 5, 6, 3], [2, 7, 8, 9, 3]]), set()
    for name in kernels.here():
        monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", name)
        found.add(OnnxSession.of(tiny_model()).run(ids).tobytes())
    assert len(found) == 1


def test_a_class_that_this_cpu_is_not_stops_loading(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx1024")
    with pytest.raises(InvalidInputError, match=rf"EMBED_PLUGIN_INSTRUCTION_SET is 'avx1024', .*\({HERE[-1]}\)"):
        Encoder.load(tiny_model())
