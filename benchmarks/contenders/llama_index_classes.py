"""LlamaIndex's embedding classes, each with its default batch size, called as an index calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contenders import local_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from contenders.engine import Settings, Setup

PACKAGES = ("llama-index-core", "onnxruntime")


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export what the class needs."""
    local_models.prepare(setup, texts)


def load(setup: Setup) -> LlamaIndexEngine:
    """Make the class over its local folder; each is imported alone."""
    make = {
        "embed-plugin": _embed_plugin,
        "fastembed": _fastembed,
        "optimum-class": _optimum,
        "openvino-class": _openvino,
    }
    return LlamaIndexEngine(make.get(setup.variant, _sentence_transformers)(setup))


def _embed_plugin(setup: Setup) -> BaseEmbedding:
    from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding  # noqa: PLC0415

    embed_model: BaseEmbedding = EmbedPluginEmbedding(model=local_models.own_folder(setup))
    return embed_model


def _sentence_transformers(setup: Setup) -> BaseEmbedding:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding  # noqa: PLC0415

    name, backend = local_models.sentence_transformers_folder(setup)
    embed_model: BaseEmbedding = HuggingFaceEmbedding(model_name=name, device="cpu", **backend)
    return embed_model


def _fastembed(setup: Setup) -> BaseEmbedding:
    from llama_index.embeddings.fastembed import FastEmbedEmbedding  # noqa: PLC0415

    name, folder = local_models.fastembed_model(setup)
    embed_model: BaseEmbedding = FastEmbedEmbedding(model_name=name, threads=setup.threads, specific_model_path=folder)
    return embed_model


def _optimum(setup: Setup) -> BaseEmbedding:
    from llama_index.embeddings.huggingface_optimum import OptimumEmbedding  # noqa: PLC0415

    embed_model: BaseEmbedding = OptimumEmbedding(folder_name=str(local_models.optimum_folder(setup)), pooling="mean")
    return embed_model


def _openvino(setup: Setup) -> BaseEmbedding:
    from llama_index.embeddings.huggingface_openvino import OpenVINOEmbedding  # noqa: PLC0415

    embed_model: BaseEmbedding = OpenVINOEmbedding(model_id_or_path=str(setup.checkpoint), pooling="mean", device="CPU")
    return embed_model


class LlamaIndexEngine:
    """A ``BaseEmbedding``, as it is."""

    def __init__(self, embed_model: BaseEmbedding) -> None:
        self.embed_model = embed_model

    def candidates(self) -> Sequence[Settings]:
        """The class's own choice."""
        return [{}]

    def use(self, settings: Settings) -> None:
        """There is nothing to take."""

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """``get_text_embedding_batch``, back in an array."""
        return np.array(self.embed_model.get_text_embedding_batch(texts), dtype=np.float32)
