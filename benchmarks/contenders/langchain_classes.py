"""LangChain's embedding classes, each with its default batch size, called as a vector store calls them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from contenders import local_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from langchain_core.embeddings import Embeddings

    from contenders.engine import Settings, Setup

PACKAGES = ("langchain-core", "onnxruntime")


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export what the class needs."""
    local_models.prepare(setup, texts)


def load(setup: Setup) -> LangChainEngine:
    """Make the class over its local folder; each is imported alone."""
    make = {
        "embed-plugin": _embed_plugin,
        "fastembed": _fastembed,
        "openvino-class": _openvino,
    }
    return LangChainEngine(make.get(setup.variant, _sentence_transformers)(setup))


def _embed_plugin(setup: Setup) -> Embeddings:
    from langchain_embed_plugin import EmbedPluginEmbeddings  # noqa: PLC0415

    embeddings: Embeddings = EmbedPluginEmbeddings(model=local_models.own_folder(setup))
    return embeddings


def _sentence_transformers(setup: Setup) -> Embeddings:
    from langchain_huggingface import HuggingFaceEmbeddings  # noqa: PLC0415

    name, backend = local_models.sentence_transformers_folder(setup)
    choices = {"device": "cpu", **backend}
    embeddings: Embeddings = HuggingFaceEmbeddings(
        model_name=name, model_kwargs=choices, encode_kwargs={"normalize_embeddings": True}
    )
    return embeddings


def _fastembed(setup: Setup) -> Embeddings:
    import fastembed  # noqa: PLC0415
    from langchain_community.embeddings import FastEmbedEmbeddings  # noqa: PLC0415

    name, folder = local_models.fastembed_model(setup)
    # The class has no argument for a folder on disk.
    fastembed.TextEmbedding = partial(fastembed.TextEmbedding, specific_model_path=folder)
    embeddings: Embeddings = FastEmbedEmbeddings(model_name=name, threads=setup.threads)
    return embeddings


def _openvino(setup: Setup) -> Embeddings:
    from langchain_community.embeddings import OpenVINOEmbeddings  # noqa: PLC0415

    embeddings: Embeddings = OpenVINOEmbeddings(
        model_name_or_path=str(setup.checkpoint),
        model_kwargs={"device": "CPU"},
        encode_kwargs={"mean_pooling": True, "normalize_embeddings": True},
    )
    return embeddings


class LangChainEngine:
    """An ``Embeddings``, as it is."""

    def __init__(self, embeddings: Embeddings) -> None:
        self.embeddings = embeddings

    def candidates(self) -> Sequence[Settings]:
        """The class's own choice."""
        return [{}]

    def use(self, settings: Settings) -> None:
        """There is nothing to take."""

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """``embed_documents``, back in an array."""
        return np.array(self.embeddings.embed_documents(texts), dtype=np.float32)
