"""Graphs whose weights stay in their file while they are opened, edited and saved again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from embed_plugin.export.onnx_graph.builder import GraphBuilder
from embed_plugin.export.onnx_graph.file import open_graph, save_graph, save_with_weights_of, tensor_values

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

LARGE = np.arange(96 * 64, dtype=np.float32).reshape(96, 64)
SMALL = np.array([1, 2, 3], np.int64)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A graph with a weight in the file beside it, and one inside."""
    builder = GraphBuilder()
    builder.node("Gather", "embedding", builder.weight("large", LARGE), builder.weight("small", SMALL, np.int64))
    (tmp_path / "first").mkdir()
    save_graph(builder.model("embedding", [64]), tmp_path / "first" / "model.onnx")
    assert builder.weights == []
    return tmp_path / "first" / "model.onnx"


def values(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.generic]]:
    return {tensor.name: tensor_values(tensor) for tensor in model.graph.initializer}


def test_weights_are_mapped_when_they_are_asked_for(saved: Path) -> None:
    opened = open_graph(saved)
    assert opened.ByteSize() < LARGE.nbytes
    found = values(opened)
    np.testing.assert_array_equal(found["large"], LARGE)
    np.testing.assert_array_equal(found["small"], SMALL)
    assert not found["large"].flags.writeable


def test_an_opened_graph_is_saved_elsewhere_with_its_weights(saved: Path, tmp_path: Path) -> None:
    save_graph(open_graph(saved), tmp_path / "second.onnx")
    (saved.parent / "model.onnx.data").unlink()
    again = onnx.load(tmp_path / "second.onnx")
    np.testing.assert_array_equal(values(again)["large"], LARGE)


def test_a_weight_of_the_first_graph_is_shared_and_another_is_not(saved: Path) -> None:
    model = open_graph(saved)
    other = model.graph.initializer.add()
    other.CopyFrom(model.graph.initializer[0])
    other.name = "other"
    save_with_weights_of(model, saved.with_name("kernels.onnx"), saved)
    places = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}.get("location")
        for tensor in onnx.load(saved.with_name("kernels.onnx"), load_external_data=False).graph.initializer
    }
    assert places == {"large": "model.onnx.data", "other": "kernels.onnx.data", "small": None}
