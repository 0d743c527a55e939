from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder, ModelFolderError, kernels
from embed_plugin.cpu import detect_class
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.int8.kernel_graph import packed

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = ["the cat sat on the mat", "a dog", "read and write the file line of text", "fire " * 300]
needs_kernels = pytest.mark.skipif(kernels.choose(detect_class()).library is None, reason="own kernels cannot run here")


def graph_of(folder: Path, name: str = "model.kernels-2.onnx") -> onnx.GraphProto:
    return onnx.load(folder / name, load_external_data=False).graph


def operators(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)


def test_what_stands_between_two_products_is_one_operator(tiny_model: Callable[..., Path]) -> None:
    found = operators(graph_of(tiny_model()))
    assert (found["QuantisedProduct"], found["ProductGeluQuantise"], found["AttentionQuantise"]) == (10, 2, 2)
    assert found["AddNormQuantise"] == 3  # the last norm of all is pooled, not quantised
    assert found["QuantiseRows"] == 1  # of the embeddings, whose sum broadcasts
    assert found["Gelu"] + found["If"] + found["MatMulIntegerToFloat"] + found["QuantizeLinear"] == 0


def test_the_first_token_of_the_last_layer_is_quantised_on_its_own(tiny_model: Callable[..., Path]) -> None:
    found = operators(graph_of(tiny_model(pooling="cls")))
    assert (found["AddNormQuantise"], found["QuantiseRows"]) == (3, 2)


@pytest.mark.parametrize("shape", [(1, 1), (16, 4), (33, 7), (5, 388)])
def test_a_packed_weight_has_each_number_in_its_place(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).integers(-127, 128, shape, dtype=np.int8)
    panels = packed(rows)
    assert panels.shape == (-(-shape[0] // 16), -(-shape[1] // 4), 64)
    found = [[panels[o // 16, i // 4, o % 16 * 4 + i % 4] for i in range(shape[1])] for o in range(shape[0])]
    np.testing.assert_array_equal(found, rows)
    assert np.abs(panels.astype(int)).sum() == np.abs(rows.astype(int)).sum()


def test_both_graphs_read_the_same_embeddings(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", max_position_embeddings=512)
    export(str(checkpoint), tmp_path / "model", ExportSettings(min_cosine=0.9))
    places = [
        {
            tensor.name: tensor.external_data[0].value
            for tensor in graph_of(tmp_path / "model", name).initializer
            if tensor.external_data
        }
        for name in ("model.onnx", "model.kernels-2.onnx")
    ]
    assert {found["positions.table"] for found in places} == {"model.onnx.data"}


@pytest.mark.parametrize(("size", "fused"), [(8, 0), (16, 2), (24, 0), (48, 2), (256, 2), (272, 0)])
def test_attention_is_one_operator_where_the_kernels_take_its_heads(tmp_path: Path, size: int, fused: int) -> None:
    width = 2 * size
    checkpoint = make_checkpoint(tmp_path / "checkpoint", hidden_size=width, num_attention_heads=2)
    export(str(checkpoint), tmp_path / "model", ExportSettings(min_cosine=0.9))
    found = operators(graph_of(tmp_path / "model"))
    assert (found["AttentionQuantise"], found["If"], found["ProductGeluQuantise"]) == (fused, 2 - fused, 2)
    assert Encoder.load(tmp_path / "model").encode_documents(TEXTS).shape == (4, width)


@pytest.mark.parametrize("hidden_act", ["gelu_new", "relu"])
def test_another_activation_is_computed_with_its_product(tmp_path: Path, hidden_act: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", hidden_act=hidden_act)
    export(str(checkpoint), tmp_path / "model", ExportSettings(min_cosine=0.9))
    found = operators(graph_of(tmp_path / "model"))
    assert (found["ProductGateQuantise"], found["ProductGeluQuantise"], found["QuantisedProduct"]) == (2, 0, 10)
    assert found["Gelu"] + found["Relu"] == 0


def test_fp32_has_one_graph(tiny_model: Callable[..., Path]) -> None:
    assert not (tiny_model(precision="fp32") / "model.kernels-2.onnx").exists()


@needs_kernels
def test_the_kernels_give_nearly_the_same_vectors(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = Encoder.load(tiny_model()).encode_documents(TEXTS)
    monkeypatch.setattr(kernels, "LIBRARY", Path("none"))
    plain = Encoder.load(tiny_model()).encode_documents(TEXTS)
    assert (fused != plain).any()
    assert np.sum(fused * plain, axis=1).min() > 0.999


def test_a_graph_that_nobody_vouches_for_is_refused(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model(precision="fp32"), tmp_path / "model")
    shutil.copy(tiny_model() / "model.kernels-2.onnx", folder)
    with pytest.raises(ModelFolderError, match=r"does not vouch for model\.kernels-2\.onnx"):
        Encoder.load(folder)
