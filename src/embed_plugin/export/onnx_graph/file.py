"""Save an ONNX graph, its weights in a file beside it, and open it without reading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    import numpy.typing as npt

SMALLEST_BESIDE = 16_384
"""Least bytes of a weight that is kept outside the graph. Matrices are multiples of 64 bytes, so that each begins on a
cache line of the file, and of memory; a bias need not be one."""


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph to ``path`` and its weights to ``path`` + ``.data``. The model cannot be used afterwards.

    onnxruntime maps that file, while it copies weights inside a graph: all processes of a machine share the pages of
    the word embeddings, and protobuf's limit of 2 GiB (multilingual-e5-large in fp32 has 2.2 GB) is never reached.
    """
    for tensor in model.graph.initializer:
        if _is_mapped(tensor):
            tensor.CopyFrom(numpy_helper.from_array(tensor_values(tensor), tensor.name))
    weights = path.with_name(f"{path.name}.data")
    onnx.save(model, path, save_as_external_data=True, location=weights.name, size_threshold=SMALLEST_BESIDE)
    if weights.exists():  # a graph with only small weights has no such file
        weights.chmod(path.stat().st_mode)  # onnx makes it readable by its owner alone


def save_with_weights_of(model: onnx.ModelProto, path: Path, first: Path) -> None:
    """Save a graph as :func:`save_graph` does; weights that ``first``, saved beside it, has too are shared with it."""
    places = {tensor.name: tensor for tensor in onnx.load(first, load_external_data=False).graph.initializer}
    for tensor in model.graph.initializer:
        place = places.get(tensor.name)
        if place is not None and place.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(place)
    save_graph(model, path)


def open_graph(path: Path) -> onnx.ModelProto:
    """Open a saved graph; its large weights stay in their file, from which :func:`tensor_values` maps them."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(path.parent.resolve() / entry.value)
    return model


def tensor_values(tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    """The values of a weight, read-only; those in a file are in memory while the array is used, and no longer."""
    if not _is_mapped(tensor):
        return numpy_helper.to_array(tensor)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.asarray(np.memmap(_place(tensor), dtype, "r", int(_place(tensor, "offset") or 0), tuple(tensor.dims)))


def _is_mapped(tensor: onnx.TensorProto) -> bool:
    """Tell if a weight is in the file of an opened graph; the files of graphs that are saved have relative names."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL and Path(_place(tensor)).is_absolute()


def _place(tensor: onnx.TensorProto, key: str = "location") -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == key), "")
