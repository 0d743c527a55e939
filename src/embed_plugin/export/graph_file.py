"""Save an ONNX graph, its weights in a file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from pathlib import Path


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph to ``path`` and its weights to ``path`` + ``.data``. The model is used up by this.

    onnxruntime maps that file where it would copy what is inside a graph: all processes of a machine share the pages
    of the word embeddings, and a protobuf's limit of 2 GiB (multilingual-e5-large in fp32 has 2.2 GB) is never met.
    """
    weights = path.with_name(f"{path.name}.data")
    onnx.save(model, path, save_as_external_data=True, location=weights.name)
    if weights.exists():  # not where a graph has only small weights
        weights.chmod(path.stat().st_mode)  # onnx lets only its owner read it
