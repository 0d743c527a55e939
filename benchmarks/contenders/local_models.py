"""Local folders and graphs, which the frameworks' classes load in place of a name on a hub."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from contenders.engine import Setup


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export what a variant needs, with the library that a user exports with."""
    if setup.variant == "embed-plugin":
        from contenders import embed_plugin  # noqa: PLC0415 - each of these imports its library

        embed_plugin.prepare(replace(setup, variant="int8"), texts)
    elif setup.variant in {"onnx", "openvino"}:
        from contenders import sentence_transformers  # noqa: PLC0415

        sentence_transformers.prepare(setup, texts)
    elif setup.variant == "fastembed":
        from contenders import fastembed  # noqa: PLC0415

        fastembed.prepare(setup, texts)
    elif setup.variant == "optimum-class" and not optimum_folder(setup).exists():
        from llama_index.embeddings.huggingface_optimum import OptimumEmbedding  # noqa: PLC0415

        OptimumEmbedding.create_and_save_optimum_model(str(setup.checkpoint), str(optimum_folder(setup)))


def own_folder(setup: Setup) -> Path:
    """This project's INT8 folder of the checkpoint."""
    return setup.work / "embed-plugin-int8"


def sentence_transformers_folder(setup: Setup) -> tuple[str, dict[str, Any]]:
    """A folder that sentence-transformers loads, and the backend to load it with."""
    if setup.variant == "torch":
        return str(setup.checkpoint), {}
    graph = {"onnx": "onnx/model.onnx", "openvino": "openvino/openvino_model.xml"}[setup.variant]
    return str(setup.work / setup.variant), {"backend": setup.variant, "model_kwargs": {"file_name": graph}}


def fastembed_model(setup: Setup) -> tuple[str, str]:
    """The name of a custom model that is registered here, and the folder with its graph."""
    from fastembed import TextEmbedding  # noqa: PLC0415 - of this variant alone
    from fastembed.common.model_description import ModelSource, PoolingType  # noqa: PLC0415

    name, pooling = "benchmark/local", json.loads((setup.checkpoint / "1_Pooling/config.json").read_text())
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType.CLS if pooling["pooling_mode_cls_token"] else PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=name),
        dim=pooling["word_embedding_dimension"],
        model_file="onnx/model.onnx",
    )
    return name, str(setup.work / "onnx")


def optimum_folder(setup: Setup) -> Path:
    """The path of optimum's ONNX graph."""
    return setup.work / "optimum"
