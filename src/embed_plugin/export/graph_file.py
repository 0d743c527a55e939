"""Save an ONNX graph, its weights beside it when they are too many for one protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_PROTOBUF = 1_900_000_000
"""Bytes of weights kept inside the file; protobuf itself ends at 2 GiB. multilingual-e5-large in fp32 has 2.2 GB."""


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph to ``path``, and large weights to ``path`` + ``.data``. The model is used up by this."""
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size > LARGEST_PROTOBUF:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data")
    else:
        onnx.save(model, path)
