"""Save an ONNX graph, its weights in a file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_BESIDE = 16_384
"""Bytes of a weight that is not kept in the graph itself. Matrices are multiples of 64 bytes, so that each begins on a
cache line of the file, and of memory; a bias need not be one."""


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph to ``path`` and its weights to ``path`` + ``.data``. The model is used up by this.

    onnxruntime maps that file where it would copy what is inside a graph: all processes of a machine share the pages
    of the word embeddings, and a protobuf's limit of 2 GiB (multilingual-e5-large in fp32 has 2.2 GB) is never met.
    """
    weights = path.with_name(f"{path.name}.data")
    onnx.save(model, path, save_as_external_data=True, location=weights.name, size_threshold=SMALLEST_BESIDE)
    if weights.exists():  # not where a graph has only small weights
        weights.chmod(path.stat().st_mode)  # onnx lets only its owner read it


def save_with_weights_of(model: onnx.ModelProto, path: Path, first: Path) -> None:
    """:func:`save_graph`, but a weight that the graph saved as ``first`` beside it has too is read from there."""
    places = {tensor.name: tensor for tensor in onnx.load(first, load_external_data=False).graph.initializer}
    for tensor in model.graph.initializer:
        place = places.get(tensor.name)
        if place is not None and place.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(place)
    save_graph(model, path)
