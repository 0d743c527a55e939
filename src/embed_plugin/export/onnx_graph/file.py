"""Save an ONNX graph, its weights in a file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_BESIDE = 16_384
"""Least bytes of a weight that is kept outside the graph. Matrices are multiples of 64 bytes, so that each begins on a
cache line of the file, and of memory; a bias need not be one."""


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph to ``path`` and its weights to ``path`` + ``.data``. The model cannot be used afterwards.

    onnxruntime maps that file, while it copies weights inside a graph: all processes of a machine share the pages of
    the word embeddings, and protobuf's limit of 2 GiB (multilingual-e5-large in fp32 has 2.2 GB) is never reached.
    """
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
