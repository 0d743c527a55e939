from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import make_checkpoint, minilm, tiny_model, tiny_reranker  # the repository's fixtures
from embed_plugin.export import ExportSettings, export
from langchain_embed_plugin import EmbedPluginEmbeddings
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["minilm", "tiny_model", "tiny_reranker"]


@pytest.fixture(scope="session")
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


@pytest.fixture(scope="session")
def embeddings(folder: Path) -> EmbedPluginEmbeddings:
    return EmbedPluginEmbeddings(model=folder)


@pytest.fixture(scope="session")
def reranker_folder(tiny_reranker: Callable[..., Path]) -> Path:
    return tiny_reranker()


@pytest.fixture(scope="session")
def sparse_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sparse encoder, of BERT's type."""
    made = tmp_path_factory.mktemp("sparse")
    return exported(checkpoint_of("splade-bert", made / "splade-bert"), made / "model")


@pytest.fixture(scope="session")
def matryoshka_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained for shorter vectors."""
    made = tmp_path_factory.mktemp("matryoshka")
    checkpoint = make_checkpoint(made / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    export(str(checkpoint), made / "model", ExportSettings(min_cosine=0.9))
    return made / "model"
